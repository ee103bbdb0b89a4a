"""A real process of ours under test: a worker, a scheduler. It is ready when its log says so."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local import child
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]


class Process:
    """`await process.ready()`, then act; `stop()` sends SIGTERM to its main pid and gives the exit code."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.command, self.log = command, log
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with log.open("ab") as output:
            self._process = child.spawn(
                command, cwd=log.parent, environment={**os.environ, "PATH": path, **environment}, output=output
            )

    @property
    def pid(self) -> int:
        """The main process's, which leads its own process group."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    async def says(self, text: str, times: int = 1, timeout: float = 60) -> None:
        """Wait until its log holds the text so many times. Fails at once when the process has ended before."""

        def said() -> bool:
            ended = self.code is not None
            if self.output.count(text) >= times:
                return True
            assert not ended, f"{' '.join(self.command)} ended with {self.code}:\n{self.output}"
            return False

        await wait_for(said, timeout, f"{text!r} from {' '.join(self.command)}:\n{self.output}")

    async def ended(self, timeout: float = 60) -> int:
        await wait_for(lambda: self.code is not None, timeout, f"the end of {' '.join(self.command)}")
        assert self.code is not None
        return self.code

    def send_signal(self, number: signal.Signals, to_group: bool = False) -> None:
        if to_group:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM to the main process. Fails when that was not enough, with nothing left running."""
        asked = child.stop(self._process, signal.SIGTERM, timeout)
        self.kill()
        assert asked, f"{' '.join(self.command)} did not stop on SIGTERM:\n{self.output}"
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL to the whole group: also to children that outlived a killed main process."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
