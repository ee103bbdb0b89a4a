"""`callboard …` as a shell runs it, and the same without the second that a process takes to start."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli import app
from errors import CallboardError


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


async def callboard(*arguments: object, given: str = "") -> Finished:
    """Run it in a thread with a loop of its own; `given` is what is typed into it."""
    result = await asyncio.to_thread(
        CliRunner().invoke, app, list(map(str, arguments)), input=given, env={"COLUMNS": "250"}
    )
    if isinstance(result.exception, CallboardError):  # what `main` makes of it
        return Finished(result.exception.exit_code, result.stdout, f"{result.exception}\n")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.stdout, result.stderr)


async def callboard_process(*arguments: object, **variables: str) -> Finished:
    """Run it as a process."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("callboard"), *map(str, arguments),
        env={**os.environ, "COLUMNS": "250", **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Finished(process.returncode or 0, out.decode(), err.decode())
