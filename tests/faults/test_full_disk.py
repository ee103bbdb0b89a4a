"""A disk is full: the one that mails are written to, PostgreSQL's, Redis's."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
import sqlalchemy.exc

from db.database import UNAVAILABLE, cause
from db.migrate import upgrade
from services import email
from services.jobs import Options
from settings import Settings
from tests.faults import fault_actors as act
from tests.faults import stage as theatre
from tests.faults.conftest import EFFECTS, Record
from tests.faults.report import Outcome
from tests.faults.servers import Servers
from tests.faults.small_disk import SmallDisk, needs_root
from tests.faults.stage import Stage
from tests.support.databases import create_database
from tests.support.waiting import wait_for

FULL = "No space left on device"

pytestmark = [pytest.mark.fault, needs_root]


@pytest.fixture
def mail_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    (tmp_path / "mail").mkdir()
    disk = SmallDisk(tmp_path / "mail", 64)
    yield disk
    disk.end()


async def test_full_for_the_file_provider(stage: Stage, record: Record, mail_disk: SmallDisk) -> None:
    """Given a full disk, when mails are sent, then their jobs say why they fail, and succeed once there is room."""
    mail_disk.fill()
    await stage.scheduler()
    await stage.worker(EMAIL_FOLDER=str(mail_disk.folder))
    options = Options(max_retries=100, min_backoff=500, max_backoff=1_000)
    async with stage.client.session() as session:
        for number in range(8):
            await email.send(session, to=f"{number}@example.com", subject="room", text="enough?", options=options)
        await session.commit()
    await stage.until("select count(*) = 8 from jobs where error ->> 'message' like '%' || $1 || '%'", FULL)
    stage.strike()
    mail_disk.make_room()
    await stage.all_ended()
    succeeded = await stage.count("select count(*) from jobs where state = 'succeeded'")
    mails = list(mail_disk.folder.glob("*.eml"))
    ended = await stage.rows("select extract(epoch from max(finished_at))::float8, sum(attempt) - 8 from jobs")
    lost, doubled = 8 - min(succeeded, len(mails)), max(0, len(mails) - 8)
    seconds = ended[0][0] - stage.struck_at
    record(Outcome("disk full for the file provider of e-mail", 8, lost, doubled, ended[0][1], seconds))
    assert not list(mail_disk.folder.glob(".*.part"))


@pytest_asyncio.fixture
async def data_disk(servers: Servers) -> AsyncIterator[SmallDisk]:
    """With room for the tables of a fresh database, and for some thousands of jobs."""
    folder = servers.postgres.server.folder / "small"
    folder.mkdir()
    _give_to_the_server(servers, folder)
    disk = SmallDisk(folder, 48 * 1024)
    yield disk
    disk.end()
    folder.rmdir()


@pytest_asyncio.fixture
async def cramped(stage: Stage, servers: Servers, data_disk: SmallDisk, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose database is on the small disk."""
    admin = await asyncpg.connect(servers.postgres.url)
    await admin.execute(f"create tablespace small location '{data_disk.folder}'")
    url = await create_database(servers.postgres.url)
    name = url.rpartition("/")[2]
    await admin.execute(f"alter database {name} set tablespace small")
    settings = Settings.model_validate({"database_url": url, "redis_url": servers.valkey.url})
    await upgrade(settings)
    connection = await asyncpg.connect(url)
    await connection.execute(EFFECTS)
    await connection.close()
    (tmp_path / "cramped").mkdir()
    async with theatre.opened(settings, servers, tmp_path / "cramped") as cramped:
        yield cramped
    await admin.execute(f"drop database {name} with (force)")
    await admin.execute("drop tablespace small")
    await admin.close()


@pytest.mark.long
async def test_full_for_postgres(cramped: Stage, record: Record, data_disk: SmallDisk) -> None:
    """Given PostgreSQL without room for another row, then jobs are refused whole, nobody ends, and what had been
    accepted is done once there is room."""
    await cramped.scheduler()
    await cramped.worker()
    await cramped.worker()
    await cramped.enqueue(1_000, act.work_async, 0.5)
    await cramped.started(200)
    data_disk.fill()
    refused: BaseException | None = None
    while refused is None:  # a page here and there has room for some
        try:
            await cramped.enqueue(500, act.work_async, 0)
        except sqlalchemy.exc.DBAPIError as error:
            refused = cause(error)
    assert isinstance(refused, asyncpg.DiskFullError)
    assert await cramped.count("select count(*) from jobs") == len(cramped.ids)
    await wait_for(lambda: cramped.said(FULL), 60, "a worker to find no room")
    data_disk.make_room()
    cramped.strike()
    outcome = await cramped.outcome("disk full for PostgreSQL's tables")
    record(outcome)
    assert all(process.code is None for process in cramped.processes)


@pytest.fixture
def log_disk(servers: Servers, stage: Stage) -> Iterator[SmallDisk]:
    """Has PostgreSQL's write-ahead log, for the time of a test."""
    folder = servers.postgres.server.folder
    (log,) = folder.glob("data-*/pg_wal")
    servers.postgres.kill()
    shutil.copytree(log, folder / "log-before", dirs_exist_ok=True)
    disk = SmallDisk(log, 256 * 1024)
    _copy(servers, folder / "log-before", log)
    shutil.rmtree(folder / "log-before")
    yield disk
    servers.postgres.kill()
    shutil.copytree(log, folder / "log-after")
    disk.end()
    shutil.rmtree(log)
    log.mkdir(mode=0o700)
    _copy(servers, folder / "log-after", log)
    shutil.rmtree(folder / "log-after")


@pytest.mark.long
async def test_full_for_the_log_of_postgres(
    servers: Servers, stage: Stage, record: Record, log_disk: SmallDisk
) -> None:
    """Given a PostgreSQL that ends because its log has no room, when it is started again with room, then each job is
    done once."""
    await servers.postgres.revive()
    await stage.scheduler()
    await stage.worker()
    await stage.worker()
    await stage.enqueue(1_000, act.work_async, 0.5)
    await stage.started(200)
    log_disk.fill()
    process = servers.postgres.server.process
    assert process is not None

    async def has_ended() -> bool:
        """Each of its files that there still is takes some."""
        with contextlib.suppress(*UNAVAILABLE):
            await stage.rows("select pg_switch_wal()")
            await stage.rows("update leases set name = name")
        return process.poll() is not None

    await wait_for(has_ended, 120, "PostgreSQL to end")
    log_disk.make_room()
    await servers.postgres.revive()
    stage.strike()
    outcome = await stage.outcome("disk full for PostgreSQL's log, which ends it")
    record(outcome)
    assert all(process.code is None for process in stage.processes)


@pytest.fixture
def redis_disk(servers: Servers, stage: Stage) -> Iterator[SmallDisk]:
    """Has Redis's append-only file, for the time of a test."""
    servers.valkey.kill()
    disk = SmallDisk(servers.valkey.server.folder / "aof", 6 * 1024)
    yield disk
    servers.valkey.kill()
    disk.end()


@pytest.mark.long
@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_full_for_redis(
    servers: Servers, stage: Stage, record: Record, redis_disk: SmallDisk, fsync: str
) -> None:
    """Given Redis without room for its file, which refuses writes or ends, then jobs are accepted, and done once it is
    back with room."""
    await servers.valkey.revive()
    await stage.redis.config_set("appendfsync", fsync)
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(500, act.work_async, 1)
    await stage.started(100)
    redis_disk.fill()
    await stage.enqueue(500, act.work_async, 0)
    process = servers.valkey.server.process
    assert process is not None
    if fsync == "always":
        await wait_for(lambda: process.poll() is not None, 60, "Redis to end")
    else:
        await wait_for(lambda: stage.said("MISCONF"), 60, "Redis to refuse a write")
    redis_disk.make_room()
    await servers.valkey.revive()
    stage.strike()
    outcome = await stage.outcome(f"disk full for Redis, append-only {fsync}")
    record(outcome)
    assert all(process.code is None for process in stage.processes)


def _give_to_the_server(servers: Servers, folder: Path) -> None:
    user = servers.postgres.server.user
    if user:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


def _copy(servers: Servers, source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
    _give_to_the_server(servers, target)
