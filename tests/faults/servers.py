"""The suite's own PostgreSQL and Valkey: servers that may be killed and started again at the same port."""

import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from local.postgres import Postgres
from local.server import Server
from local.valkey import Valkey
from tests.support.waiting import wait_for


class MortalServer:
    """Started at once; `await revive()` brings it back where it was."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.start()
        self.port = urlsplit(self.url).port or 0

    @property
    def processes(self) -> list[psutil.Process]:
        """The server's process, and those it has started."""
        assert self.server.process is not None
        main = psutil.Process(self.server.process.pid)
        return [main, *main.children(recursive=True)]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the server's process, SIGKILL to all of them at once, and wait for the end."""
        assert self.server.process is not None
        if number is signal.SIGKILL:
            for process in self.processes:
                process.kill()
        else:
            self.server.process.send_signal(number)
        self.server.process.wait(timeout=30)

    async def revive(self) -> None:
        """Start it again at the same port; a killed PostgreSQL refuses until the last of its processes is gone."""

        def lives() -> bool:
            if self.server.process is None or self.server.process.poll() is not None:
                self.server.process = self.server.spawn(self.server.command(self.port), self.server.folder / "log")
            return self.server.is_ready(self.port)

        await wait_for(lives, 60, f"{self.server.name} to live again")

    def stop(self) -> None:
        self.server.stop()


class Servers:
    """Both of them."""

    def __init__(self, folder: Path) -> None:
        self.postgres = MortalServer(Postgres(folder / "postgres"))
        self.valkey = MortalServer(Valkey(folder / "valkey"))

    def forget_messages(self) -> None:
        """Delete what the (killed) Valkey has on disk."""
        shutil.rmtree(self.valkey.server.folder / "aof")
        (self.valkey.server.folder / "aof").mkdir(mode=0o700)

    async def all_live(self) -> None:
        """Before each fault, whatever the one before has left."""
        for mortal in (self.postgres, self.valkey):
            await mortal.revive()

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
