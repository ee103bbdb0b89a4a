"""The database is put back to what it was some seconds ago, beside workers and a Redis that know better."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.servers import Servers
from tests.faults.stage import Stage


class Past:
    """What PostgreSQL's disk looked like at a moment."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._folder = servers.postgres.server.folder
        (self._data,) = self._folder.glob("data-*")
        self._kept = self._folder / "past"

    async def keep(self) -> None:
        self._servers.postgres.kill()
        shutil.copytree(self._data, self._kept, symlinks=True)
        await self._servers.postgres.revive()

    async def put_back(self) -> None:
        self._servers.postgres.kill()
        shutil.rmtree(self._data)
        self._kept.rename(self._data)
        user = self._servers.postgres.server.user
        if user:
            for path in (self._data, *self._data.rglob("*")):
                os.lchown(path, user.pw_uid, user.pw_gid)
        await self._servers.postgres.revive()

    def forget(self) -> None:
        shutil.rmtree(self._kept, ignore_errors=True)


@pytest.fixture
def past(servers: Servers, stage: Stage) -> Iterator[Past]:
    past = Past(servers)
    yield past
    past.forget()


@pytest.mark.fault
async def test_put_back(stage: Stage, past: Past, record: Record) -> None:
    """Given a database that is put back to some seconds ago (from a snapshot, or by a standby that lagged behind) while
    workers and Redis live on, then runs whose end it has forgotten are run again, what it never heard of is dropped,
    and each of its jobs is done once."""
    await stage.scheduler()
    for _ in range(2):
        await stage.worker()
    await stage.enqueue(600, act.work_async, 0.5)
    await stage.enqueue(100, act.lucky_async, 0.2, True)  # messages of a further attempt than the database knows
    await stage.enqueue(40, act.work_sync, 0.5)
    await stage.started(200)
    await past.keep()
    known = list(stage.ids)
    under_way = [row["id"] for row in await stage.rows("select id from jobs where state = 'running'")]
    await stage.started(500)
    await stage.enqueue(200, act.work_async, 0.2)  # nobody will know them
    await stage.started(700)
    assert under_way  # of these it will believe that they go on
    await stage.until("select count(*) = 0 from jobs where id = any($1) and state <> 'succeeded'", under_way)
    await past.put_back()
    stage.strike()
    stage.ids = known
    outcome = await stage.outcome("PostgreSQL put back to some seconds ago, workers and Redis live on")
    record(outcome)
    assert all(process.code is None for process in stage.processes)
    await stage.all_delivered()
