"""An embedded server: one process that owns one folder, started on demand and shared by whoever asks for it.

Who may touch the folder is decided by a lock on it. The server's process inherits the locked file, so the lock is held
exactly as long as one of the server's processes lives, whatever happened to the process that started it:

- nobody holds the lock: we start the server, and own it;
- somebody holds it and lives: we share the server they started (when they stop it, it stops for us too);
- the server lives and its owner does not (on Linux it dies with its owner; elsewhere it may be left over): we stop it,
  and start our own.
"""

import json
import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from errors import ServerUnavailable
from local import child, home
from local.lock import Lock

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


@dataclass(frozen=True)
class Running:
    """What a running server's folder says about it."""

    pid: int
    owner: int
    url: str

    @classmethod
    def read(cls, file: Path) -> "Running | None":
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None  # not written yet, or torn: the same as not running

    def write(self, file: Path) -> None:
        fresh = file.with_suffix(".tmp")
        fresh.touch(mode=0o600)  # the URL holds the password
        fresh.write_text(json.dumps(asdict(self)))
        fresh.rename(file)

    @property
    def is_owned(self) -> bool:
        return child.is_alive(self.owner) and child.is_alive(self.pid)


class Server(ABC):
    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    refuses_root: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = home.unprivileged_user() if self.refuses_root else None
        self.process: child.Process | None = None
        self._state = folder / "running.json"
        self._lock: Lock | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Find the program and make its data folder. Called with the lock held."""

    @abstractmethod
    def command(self, port: int) -> Sequence[str | Path]: ...

    @abstractmethod
    def url(self, port: int) -> str: ...

    @abstractmethod
    def is_ready(self, port: int) -> bool: ...

    def start(self) -> str:
        """The URL of the running server. Call it from the main thread: the server ends with the thread."""
        deadline = time.monotonic() + START_TIMEOUT
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.user:
            home.let_pass(self.folder, self.user)
        self._lock = Lock(self.folder / "lock")
        try:
            shared = self._acquire_or_share(self._lock, deadline)
            if shared:
                return shared.url
            self._state.unlink(missing_ok=True)
            self.prepare()
            return self._launch(deadline)
        finally:
            self._lock.close()  # from here on the server alone holds it
            self._lock = None

    def running(self) -> Running | None:
        """What runs in this folder now, whoever started it."""
        state = Running.read(self._state)
        return state if state and state.is_owned and self._is_locked() else None

    def stop(self) -> None:
        """Stop the server if we started it; leave it alone if we share it."""
        process, self.process = self.process, None
        if process:
            child.stop(process, self.stop_signal, STOP_TIMEOUT)

    def spawn(self, command: Sequence[str | Path], log: Path) -> child.Process:
        """Start a program that works on the folder: it holds the lock as long as it lives."""
        with log.open("ab") as output:
            return child.spawn(
                command,
                cwd=self.folder,
                environment=_environment(),
                output=output,
                death_signal=self.stop_signal,
                user=self.user,
                keep_open=[self._lock.fd] if self._lock else [],
            )

    def _is_locked(self) -> bool:
        """The lock and not the process id tells: after a restart of the machine the id may be another program's."""
        lock = Lock(self.folder / "lock")
        try:
            return not lock.try_acquire()
        finally:
            lock.close()

    def _acquire_or_share(self, lock: Lock, deadline: float) -> Running | None:
        while not lock.try_acquire():
            state = Running.read(self._state)
            if state and state.is_owned:
                return state
            if state and child.is_alive(state.pid):
                os.kill(state.pid, self.stop_signal)
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"{self.name} in {self.folder} is being used by a process that neither answers nor ends. "
                    f"End it (`fuser {self.folder}/lock` names it), or set CALLBOARD_HOME to another folder."
                )
            time.sleep(0.1)
        return None

    def free_port(self) -> int:
        """The one to try next."""
        return free_port()

    def _launch(self, deadline: float) -> str:
        log = self.folder / "log"
        for _ in range(5):  # somebody else may take the free port before the server does
            port = self.free_port()
            self.process = self.spawn(self.command(port), log)
            while self.process.poll() is None and time.monotonic() < deadline:
                if self.is_ready(port):
                    Running(self.process.pid, os.getpid(), self.url(port)).write(self._state)
                    return self.url(port)
                time.sleep(0.01)
            self.stop()
        raise ServerUnavailable(
            f"{self.name} did not start. The end of its log, {log}:\n{tail(log)}\n"
            "Or set DATABASE_URL and REDIS_URL to servers of your own."
        )


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error's message."""
    try:
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(there is none)"


def free_port() -> int:
    """One that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """Ours, without what would change the server: PG* variables and locales that the machine may not have."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return ours | {"LC_ALL": "C"}
