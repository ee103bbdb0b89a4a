"""Tests of `make demo`: the real stack, on a machine where nothing runs."""

import re
import socket
import sys
from pathlib import Path

import pytest

from tests.support.process import Process

DEMO = [sys.executable, "-m", "local", "demo"]


async def test_a_killed_demo_does_not_stand_in_the_way_of_the_next(
    fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # Given a demo that keeps running and is then killed
    first = Process(DEMO, fresh_machine, tmp_path / "first.log")
    processes.append(first)
    await first.says("Everything keeps running. Ctrl-C stops it.", timeout=300)
    first.kill()

    # When the next one is asked to end by itself
    second = Process([*DEMO, "--once"], fresh_machine, tmp_path / "second.log")
    processes.append(second)

    # Then all jobs end in it as they should
    assert await second.ended(120) == 0
    assert "All three ended as they should" in second.output
    assert "/api/v1/openapi.json" in second.output
    for life in (r"ada@example.com .*succeeded +attempt 1", r"grace@example.com .*succeeded +attempt 3"):
        assert re.search(life, second.output)


async def test_sigterm_ends_it_in_order(
    fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # Given
    demo = Process(DEMO, fresh_machine, tmp_path / "demo.log")
    processes.append(demo)
    await demo.says("Everything keeps running. Ctrl-C stops it.", timeout=300)

    # When
    code = demo.stop()

    # Then
    assert code == 0
    assert "Stopped." in demo.output
    logs = Path(fresh_machine["CALLBOARD_HOME"]) / "logs"
    assert "Worker has been shut down" in (logs / "worker.log").read_text()
    assert "database system is shut down" in (logs.parent / "postgres/log").read_text()


@pytest.mark.parametrize("command", ["demo", "dev"])
async def test_a_taken_port_gets_one_clear_sentence(
    command: str, fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # Given
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(fresh_machine["PORT"])))
        taken.listen()

        # When
        process = Process([sys.executable, "-m", "local", command], fresh_machine, tmp_path / "log")
        processes.append(process)

        # Then
        assert await process.ended() == 1
    assert len(process.output.splitlines()) == 1
    assert "Address already in use. Choose another one with PORT=" in process.output
