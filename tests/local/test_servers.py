"""Tests of local/servers.py: the embedded PostgreSQL and Valkey."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from errors import ConfigurationError, ServerUnavailable
from local import home as homes
from local.servers import embedded, found_running, running
from local.valkey import Valkey
from settings import Settings
from tests.support.process import ROOT
from tests.support.waiting import wait_for

# Runs both servers until its standard input ends, as a parent that can be killed.
PARENT = """
import sys
from pathlib import Path
from local.servers import running
with running(Path(sys.argv[1]), {}) as urls:
    print(urls["DATABASE_URL"], urls["REDIS_URL"], flush=True)
    sys.stdin.read()
"""


class Parent:
    """A process of its own that runs both servers."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def urls(self) -> list[str]:
        assert self._process.stdout
        return self._process.stdout.readline().decode().split()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture
def start_parent(own_home: Path) -> Iterator[Callable[[], Parent]]:
    started: list[Parent] = []

    def start() -> Parent:
        started.append(Parent(own_home))
        return started[-1]

    yield start
    for parent in started:
        parent.end()


async def test_what_was_written_survives_a_parent_killed_with_kill_9(
    own_home: Path, start_parent: Callable[[], Parent]
) -> None:
    # Given servers with a row and a key, whose parent is then killed
    parent = start_parent()
    database_url, redis_url = parent.urls()
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table kept (n int); insert into kept values (7)")
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("kept", "7")
    parent.kill()
    connection.terminate()

    # When they are started again at once
    with running(own_home, {}) as urls:
        # Then nothing blocks them and everything is there
        connection = await asyncpg.connect(urls["DATABASE_URL"])
        assert await connection.fetchval("select n from kept") == 7
        await connection.close()
        async with redis.asyncio.Redis.from_url(urls["REDIS_URL"]) as client:
            assert await client.get("kept") == b"7"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a child with its parent")
async def test_the_servers_end_with_a_killed_parent(own_home: Path, start_parent: Callable[[], Parent]) -> None:
    # Given
    parent = start_parent()
    parent.urls()
    both = list(embedded(own_home).values())
    assert all(server.running() for server in both)

    # When
    parent.kill()

    # Then
    await wait_for(lambda: not any(server._is_locked() for server in both))


async def test_a_left_over_server_is_replaced(own_home: Path) -> None:
    # Given servers whose owner is gone though they live, as where the parent's death gives no signal
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with running(own_home, {}) as first:
        for server in embedded(own_home).values():
            state = server.running()
            assert state
            type(state)(state.pid, gone.pid, state.url).write(server._state)

        # When they are asked for
        with running(own_home, {}) as second:
            # Then others run in their place
            assert set(first.values()).isdisjoint(second.values())
            connection = await asyncpg.connect(second["DATABASE_URL"])
            assert await connection.fetchval("show max_connections") == "200"
            await connection.close()


async def test_who_comes_second_shares_the_servers(own_home: Path, start_parent: Callable[[], Parent]) -> None:
    # Given two parents that start at the same moment
    parents = [start_parent(), start_parent()]

    # When both have their servers
    first, second = [parent.urls() for parent in parents]

    # Then they are the same, and so are those that a third one finds
    assert first == second
    assert list(found_running(Settings(callboard_home=own_home, database_url=None, redis_url=None)).values()) == first


async def test_only_what_is_not_given_is_started(own_home: Path) -> None:
    # When a Redis is given
    with running(own_home, {"REDIS_URL": "redis://given.example:6379/0"}) as urls:
        # Then a PostgreSQL is started beside it and nothing else
        assert urls["REDIS_URL"] == "redis://given.example:6379/0"
        assert not (own_home / "valkey").exists()
        await (await asyncpg.connect(urls["DATABASE_URL"])).close()


def test_servers_that_do_not_run_are_named_with_what_to_do(own_home: Path) -> None:
    with pytest.raises(
        ServerUnavailable, match=r"PostgreSQL does not run on this machine. Start it with `make servers`"
    ):
        found_running(Settings(callboard_home=own_home, database_url=None, redis_url=None))


def test_passwords_are_for_their_owner_alone(own_home: Path) -> None:
    # When
    with running(own_home, {}):
        # Then nobody else may read a file that holds one, nor list the folder
        holders = [*own_home.glob("*/password"), *own_home.glob("*/running.json"), own_home / "valkey/valkey.conf"]
        assert len(holders) == 5
        assert {stat.S_IMODE(file.stat().st_mode) for file in holders} == {0o600}
        assert not own_home.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_a_home_behind_a_closed_folder_is_refused_with_what_to_do(own_home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is closed to the user `nobody`.*Set CALLBOARD_HOME"):
        homes.prepare(own_home / "inner")


async def test_a_taken_port_is_no_obstacle(own_home: Path) -> None:
    # Given that the first port the server is told to use is taken by somebody else
    listener = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    taken = listener.sockets[0].getsockname()[1]

    class Unlucky(Valkey):
        tries = 0

        def free_port(self) -> int:
            self.tries += 1
            return taken if self.tries == 1 else super().free_port()

    # When
    server = Unlucky(homes.prepare(own_home) / "valkey")
    try:
        url = server.start()
        # Then the next one is used
        assert (server.tries, f":{taken}/" in url) == (2, False)
    finally:
        server.stop()
        listener.close()


def test_a_stopped_server_says_so(own_home: Path) -> None:
    with running(own_home, {}):
        both = list(embedded(own_home).values())
        assert all(server.running() for server in both)
    assert not any(server.running() for server in both)


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(own_home: Path) -> None:
    """They are stopped by us, after what uses them has drained."""
    with running(own_home, {}):
        pids = [state.pid for server in embedded(own_home).values() if (state := server.running())]
        assert len(pids) == 2
        assert all(os.getpgid(pid) != os.getpgid(0) for pid in pids)
