"""Tests of local/stack.py, with processes that are quicker to start than the real ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import ConfigurationError, ProcessEnded
from local import child
from local.lock import Lock
from local.stack import Stack
from tests.support.waiting import wait_for

MakeStack = Callable[[str], Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> MakeStack:
    def make(lines: str) -> Stack:
        file = tmp_path / "Procfile"
        file.write_text(lines)
        return Stack(tmp_path, {"PORT": "8123"}, file)

    return make


async def test_the_shell_fills_in_what_is_set_and_what_is_not(make_stack: MakeStack) -> None:
    stack = make_stack("web: echo ${PORT:-8000} ${NOT_SET_ANYWHERE:-default}\n")
    with stack.held():
        stack.start()
        await wait_for(lambda: stack.parts[0].new_lines() == ["8123 default"])


async def test_a_process_that_ends_is_reported_with_the_end_of_its_log(make_stack: MakeStack) -> None:
    # Given one that lives and one that does not
    stack = make_stack("good: sleep 1000\nbad: sh -c 'echo it broke; exit 3'\n")
    with stack.held():
        stack.check()
        stack.start()

        # When
        ended = await wait_for(stack.ended)

        # Then
        assert [part.name for part in ended] == ["bad"]
        with pytest.raises(ProcessEnded, match=r"bad .* ended with 3(.|\n)*it broke"):
            stack.check()


async def test_only_the_main_processes_are_asked_to_stop(make_stack: MakeStack, tmp_path: Path) -> None:
    """A signal to the whole group would reach a worker's children twice: directly, and passed on by their parent."""
    # Given a process with a child, both of which say when they are asked
    script = tmp_path / "worker.sh"
    script.write_text(
        "trap 'echo the parent was asked; kill -9 $!; exit' TERM\n"
        "sh -c 'trap \"echo the child was asked\" TERM; echo ready; while true; do sleep 0.1; done' &\n"
        "wait\n"
    )
    stack = make_stack(f"worker: sh {script}\n")
    log = stack.logs / "worker.log"

    # When
    with stack.held():
        stack.start()
        await wait_for(lambda: "ready" in log.read_text())

    # Then
    assert "the parent was asked" in log.read_text()
    assert "the child was asked" not in log.read_text()


async def test_there_is_one_stack_for_a_folder(make_stack: MakeStack) -> None:
    with (
        make_stack("web: sleep 1000").held(),
        pytest.raises(ConfigurationError, match=r"A stack runs already on .* Stop it, or set CALLBOARD_HOME"),
        make_stack("web: sleep 1000").held(),
    ):
        pass


async def test_the_children_of_a_stack_that_was_killed_are_waited_for(make_stack: MakeStack, tmp_path: Path) -> None:
    # Given a child that holds the folder a little longer than its parent, which is gone
    lock = Lock(tmp_path / "stack.lock")
    assert lock.try_acquire()
    with (tmp_path / "log").open("wb") as log:
        left = child.spawn(["sleep", "1"], cwd=tmp_path, environment=os.environ, output=log, keep_open=[lock.fd])
    lock.close()
    (tmp_path / "stack.pid").write_text("4194305")  # more than any process has

    # When
    with make_stack("worker: sleep 1000").held():
        # Then
        assert left.poll() == 0
