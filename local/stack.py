"""The processes of the Procfile as our children: started together, watched, and stopped in order.

One stack per CALLBOARD_HOME: a lock says so. The children hold it too, so that after a `kill -9` of us the next stack
waits until the last worker of this one has put down its work.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from errors import ConfigurationError, ProcessEnded
from local import child, procfile
from local.lock import Lock
from local.server import tail
from settings import load

ROOT = Path(__file__).resolve().parent.parent
BESIDES = 15.0  # seconds for stopping, besides SHUTDOWN_GRACE, which running jobs get


class Part:
    """One process with its log, which it starts anew."""

    def __init__(self, name: str, command: str, log: Path) -> None:
        self.name, self.command, self.log = name, command, log
        self._process: child.Process | None = None
        self._read = 0

    def start(self, environment: Mapping[str, str], lock: Lock) -> None:
        self._read = 0
        with self.log.open("wb") as output:
            # The shell fills in ${PORT:-8000}; exec, so that signals reach the program itself.
            self._process = child.spawn(
                ["/bin/sh", "-c", f"exec {self.command}"],
                cwd=ROOT,
                environment=environment,
                output=output,
                keep_open=[lock.fd],
            )

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        """To the main process alone: it stops its own children in order."""
        if self._process and self.code is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> None:
        if self._process:
            child.wait(self._process, timeout)
            self._process = None

    def new_lines(self) -> list[str]:
        """The complete lines that were logged since the last call."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            complete, newline, _ = log.read().rpartition(b"\n")
        self._read += len(complete) + len(newline)
        return complete.decode(errors="replace").splitlines()


class Stack:
    def __init__(self, home: Path, environment: Mapping[str, str], file: Path = ROOT / "Procfile") -> None:
        self.logs = home / "logs"
        self.logs.mkdir(exist_ok=True, mode=0o700)
        self.parts = [Part(name, command, self.logs / f"{name}.log") for name, command in procfile.read(file).items()]
        self._environment = complete(environment)
        self._lock = Lock(home / "stack.lock")
        self._home = home
        self._stop_timeout = load().shutdown_grace + BESIDES

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only stack of this folder; stop at the end."""
        self._acquire()
        try:
            yield
        finally:
            self.stop()
            self._lock.close()

    def start(self) -> None:
        for part in self.parts:
            part.start(self._environment, self._lock)

    def stop(self) -> None:
        """All at once, and then wait for each."""
        for part in self.parts:
            part.ask_to_stop()
        deadline = time.monotonic() + self._stop_timeout
        for part in self.parts:
            part.wait(max(0, deadline - time.monotonic()))

    def ended(self) -> list[Part]:
        """The processes that ended by themselves."""
        return [part for part in self.parts if part.code is not None]

    def check(self) -> None:
        """Raises ProcessEnded when a process is no more."""
        for part in self.ended():
            raise ProcessEnded(report(part))

    def _acquire(self) -> None:
        deadline = time.monotonic() + self._stop_timeout
        while not self._lock.try_acquire():
            # Ours to wait for when its parent is gone: its processes are stopping.
            if time.monotonic() > deadline or self._has_parent():
                raise ConfigurationError(
                    f"A stack runs already on {self._home}. Stop it, or set CALLBOARD_HOME to another folder."
                )
            time.sleep(0.1)
        (self._home / "stack.pid").write_text(str(os.getpid()))

    def _has_parent(self) -> bool:
        try:
            return child.is_alive(int((self._home / "stack.pid").read_text()))
        except (FileNotFoundError, ValueError):
            return False


def report(part: Part) -> str:
    return f"{part.name} ({part.command}) ended with {part.code}. The end of its log, {part.log}:\n{tail(part.log)}"


def complete(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process of ours needs: our own environment, with the programs of our Python first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, **environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
