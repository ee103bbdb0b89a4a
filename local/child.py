"""A child process that does not outlive us, even when we are killed with SIGKILL (on Linux)."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TRAMPOLINE = Path(__file__).with_name("trampoline.py")

Process = subprocess.Popen[bytes]


def spawn(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: IO[bytes],
    death_signal: signal.Signals = signal.SIGTERM,
    user: pwd.struct_passwd | None = None,
    keep_open: Sequence[int] = (),
) -> Process:
    """Start `command`; it gets `death_signal` when the *thread* that called this ends, so call it from the main one.

    It stands in a session of its own: Ctrl-C in our terminal reaches us alone, and we stop our children in order.
    """
    ids = (user.pw_uid, user.pw_gid) if user else (-1, -1)
    arguments = [int(death_signal), os.getpid(), *ids, *command]
    return subprocess.Popen(  # noqa: S603 (every caller passes a list of its own)
        [sys.executable, "-IS", str(TRAMPOLINE), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=keep_open,
    )


def stop(process: Process, with_signal: signal.Signals, timeout: float) -> bool:
    """Ask it to end, and insist after `timeout` seconds. True when asking was enough."""
    if process.poll() is None:
        process.send_signal(with_signal)
    return wait(process, timeout)


def wait(process: Process, timeout: float) -> bool:
    """Wait for its end, and kill it after `timeout` seconds. True when waiting was enough."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
