"""Tests of the smaller commands of `python -m local`."""

import subprocess
import sys
from pathlib import Path

from tests.support.process import Process

LOCAL = [sys.executable, "-m", "local"]


async def test_env_gives_the_servers_that_run(
    fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # Given
    servers = Process([*LOCAL, "servers"], fresh_machine, tmp_path / "servers.log")
    processes.append(servers)
    await servers.says("Both run.")

    # When a shell takes over what `env` prints
    script = f'eval "$({sys.executable} -m local env)"; echo "$DATABASE_URL $REDIS_URL"'
    shell = Process(["sh", "-c", script], fresh_machine, tmp_path / "shell.log")
    processes.append(shell)

    # Then it has both URLs
    assert await shell.ended() == 0
    database_url, redis_url = shell.output.split()
    assert database_url.startswith("postgresql://callboard:")
    assert redis_url.startswith("redis://:")


async def test_env_says_what_to_do_when_nothing_runs(
    fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    process = Process([*LOCAL, "env"], fresh_machine, tmp_path / "env.log")
    processes.append(process)
    assert await process.ended() == 1
    assert "PostgreSQL does not run on this machine. Start it with `make servers`" in process.output


async def test_run_gives_a_command_servers_of_its_own(
    fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # When a command runs on fresh servers, though others are set
    given = {"DATABASE_URL": "postgresql://precious.example/x", "REDIS_URL": "redis://precious.example:6379/0"}
    command = [*LOCAL, "run", "--fresh", "callboard migrate; echo $DATABASE_URL $REDIS_URL $CALLBOARD_HOME; exit 7"]
    process = Process(command, fresh_machine | given, tmp_path / "run.log")
    processes.append(process)

    # Then it never hears of the others, its exit code is ours, and nothing stays behind
    assert await process.ended() == 7
    assert "The database is at revision" in process.output
    assert "precious" not in process.output
    assert not Path(process.output.split()[-1]).exists()


def test_help_names_every_command() -> None:
    done = subprocess.run([*LOCAL, "--help"], capture_output=True, text=True, timeout=60)
    for command in ("demo", "dev", "servers", "env", "run"):
        assert command in done.stdout
