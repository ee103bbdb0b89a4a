"""Makes .venv from a lock file: `install.py local` for running Callboard here, `install.py dev` for working on it too.

Run by the machine's own Python, so it uses nothing but the standard library.
"""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
KINDS = ("local", "dev")  # each holds all of the one before it

PIP = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"]
# What a failing step says, and what to do about it.
ADVICE = [
    (("HASHES", "hashes"), "A package differs from the one in the lock. Do not install it; find out why."),
    # First: without a connection pip finds no distribution either.
    (
        ("ConnectionError", "name resolution", "timed out", "SSLError"),
        "The package index cannot be reached. Try again.",
    ),
    (
        ("gcc", "cc1", "compiler", "Python.h", "rustc", "cargo", "clang"),
        "There is no ready-made package for this machine, and it could not be compiled. Install a compiler (on Debian: "
        "apt-get install build-essential python3-dev), or use Python 3.11 to 3.13 on Linux or macOS.",
    ),
    (
        ("No matching distribution",),
        "The package index has none for this machine, or cannot be reached. Check the connection, or use Python 3.11 "
        "to 3.13 on Linux or macOS.",
    ),
    (("No space left",), "The disk is full. Make room and try again."),
]


def steps(kind: str) -> list[tuple[str, list[str]]]:
    lock = ROOT / f"requirements-{kind}.lock"
    return [
        ("The virtual environment .venv", [sys.executable, "-m", "venv", str(VENV)]),
        # Compiling them here, on all cores, takes a third of the time that pip would take.
        (f"Packages of {lock.name}", [*PIP, "--no-compile", "--require-hashes", "-r", str(lock)]),
        ("Bytecode", [PYTHON, "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")]),
        ("The command `callboard`", [*PIP, "--no-build-isolation", "--editable", str(ROOT)]),
    ]


def stamp(kind: str) -> Path:
    """The Makefile compares its age with the lock's."""
    return VENV / f"installed-{kind}"


def main(kind: str) -> None:
    if not importlib.util.find_spec("ensurepip"):
        sys.exit("This Python has no venv module. Install it (on Debian: apt-get install python3-venv) and try again.")
    for title, command in steps(kind):
        started = time.monotonic()
        step = subprocess.run(  # noqa: S603 (the commands above)
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        # compileall fails for files that are no programs (templates, other versions' syntax); Python skips them too.
        if step.returncode != 0 and title != "Bytecode":
            sys.exit(f"{step.stdout[-4000:]}\n{title} could not be made. {advice(step.stdout)}")
        sys.stdout.write(f"{title:<40} {time.monotonic() - started:5.1f} s\n")
        sys.stdout.flush()
    for held in KINDS[: KINDS.index(kind) + 1]:
        stamp(held).touch()


def advice(output: str) -> str:
    for signs, text in ADVICE:
        if any(sign in output for sign in signs):
            return text
    return "The lines above say why."


if __name__ == "__main__":
    main(sys.argv[1])
