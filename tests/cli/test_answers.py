"""How commands answer: as JSON for programs, and where a server cannot be used."""

import asyncio
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from cli import app
from cli.session import reason
from errors import ServerUnavailable
from runtime.client import Client
from tests.cli.callboard import callboard, callboard_process
from tests.runtime.observing import fetch

# What they print is JSON or YAML anyway, or is there to be looked at.
WITHOUT_JSON = {"jobs wait", "jobs watch", "schedules export"}


def commands(group: TyperGroup, above: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command, and its options."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{above}{name} ")
        elif command is not None:
            yield f"{above}{name}", {option for parameter in command.params for option in parameter.opts}


def test_every_command_answers_programs() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    assert {name for name, options in commands(root) if "--json" not in options} == WITHOUT_JSON


async def test_a_database_that_never_answers_is_said_to_be_away() -> None:
    """Given a firewall that lets nothing through, then the error of the driver has no text, and its kind is said."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://callboard:s3cret@127.0.0.1:{silent.getsockname()[1]}/callboard"
        listed, migrated = await asyncio.gather(
            callboard_process("jobs", "list", DATABASE_URL=url), callboard_process("migrate", DATABASE_URL=url)
        )
    for done in (listed, migrated):
        assert done.code == ServerUnavailable.exit_code, done.err
        assert "TimeoutError" in done.err
        assert "Traceback" not in done.err
        assert "s3cret" not in done.err


async def test_tables_that_are_not_there_are_a_reason(client: Client) -> None:
    await fetch(client, "alter table suppressions rename to hidden")
    try:
        done = await callboard("suppressions", "list")
    finally:
        await fetch(client, "alter table hidden rename to suppressions")
    assert (done.code, "`callboard migrate` makes the tables" in done.err) == (6, True)
    assert "UndefinedTableError" in done.err


async def test_a_number_out_of_range_is_refused(client: Client) -> None:
    done = await callboard("jobs", "logs", "01a21726-b18e-73b9-b3dd-9eb8baa75fdc", "--attempt", str(2**31))
    assert (done.code, "--attempt" in done.err) == (2, True)


async def test_whoever_stops_reading_ends_it_quietly(client: Client) -> None:
    """Given that nobody reads any more what a job has logged, then no server is blamed for it."""
    job_id = (await callboard("enqueue", "cleanup_completed_jobs", "--in", "1h")).out.strip()
    await fetch(client, "insert into job_logs values ($1, 1, 1, 20, now(), 'line', null)", uuid.UUID(job_id))
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("callboard"), "jobs", "logs", job_id, "--json",
        stdout=write, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(write)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize(
    ("error", "says"),
    [(TimeoutError(), "TimeoutError"), (OSError("no route\nto host"), "OSError: no route")],
    ids=["without a text", "of several lines"],
)
def test_why_in_a_line(error: Exception, says: str) -> None:
    assert reason(error) == says
