"""Becomes another program, after arranging that it gets a signal when the process that started it dies.

Run as a script: `python -IS trampoline.py SIGNAL PARENT UID GID COMMAND...` (UID -1: stay who we are). A program of its
own rather than `preexec_fn`, which can deadlock in a parent that has threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    death_signal, parent, uid, gid = map(int, sys.argv[1:5])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)  # after setuid, which clears it
    if os.getppid() != parent:
        sys.exit("The process that started this one is gone.")
    os.execvp(sys.argv[5], sys.argv[5:])  # noqa: S606 (replacing this process is its purpose)


main()
