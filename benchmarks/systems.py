"""The systems side by side: which processes each is, and how one sees from outside that its work is done."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import redis.asyncio

from benchmarks.place import Place
from benchmarks.work import FIRST, QUEUES, STOCK_NAMESPACE
from runtime.transport import NAMESPACE
from tests.support.process import Process


@dataclass(frozen=True)
class System(ABC):
    """One worker process, and whatever else belongs to a deployment of it."""

    threads: int
    enqueuer: ClassVar[str]
    flows: ClassVar[str] = ""
    worker: ClassVar[str]
    namespace: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str: ...

    @asynccontextmanager
    async def running(self, place: Place) -> AsyncIterator[list[Process]]:
        """The processes, the worker first."""
        command = ("dramatiq", "--processes", "1", "--threads", str(self.threads), self.worker)
        async with place.process(*command) as worker:
            yield [worker]

    async def enqueue(self, place: Place, way: str, actor: str, count: int) -> float:
        """Enqueue from a process of its own. Returns the seconds that took, without its start."""
        return float(await place.run("python", "-m", self.enqueuer, way, actor, str(count)))

    async def is_drained(self, place: Place, connection: redis.asyncio.Redis, actor: str) -> bool:
        """Has every job ended? A message leaves its queue's hash when it is acknowledged: one cheap question."""
        return not await connection.hlen(f"{self.namespace}:{QUEUES[actor]}.msgs")

    async def waiting(self, place: Place, actor: str) -> int:
        """How many jobs are enqueued and not ended, while no worker runs."""
        async with place.redis() as connection:
            return int(await connection.hlen(f"{self.namespace}:{QUEUES[actor]}.msgs"))

    @abstractmethod
    async def first_start(self, place: Place) -> float:
        """When the first job of a drain began, in seconds since 1970."""

    async def flow(self, place: Place, way: str, count: int) -> dict[str, float]:
        """Run a workflow from a process of its own. Returns what that has measured."""
        measured: dict[str, float] = json.loads(await place.run("python", "-m", self.flows, way, str(count)))
        return measured

    async def counters(self, place: Place) -> dict[str, float]:
        """What the database has counted so far, for the cost of a job there."""
        return {}

    async def rows(self, place: Place) -> dict[str, Any]:
        """What the system itself has on record of a drain."""
        return {}


class Stock(System):
    enqueuer, worker, namespace = "benchmarks.enqueue_stock", "benchmarks.stock", STOCK_NAMESPACE

    @property
    def name(self) -> str:
        return f"stock, {self.threads} threads"

    async def first_start(self, place: Place) -> float:
        """As the first job noted it: stock keeps no record. It is the first in the queue."""
        return float((place.home / FIRST).read_text())


class Callboard(System):
    flows = "benchmarks.flow_callboard"
    enqueuer, worker, namespace = "benchmarks.enqueue_callboard", "benchmarks.callboard", NAMESPACE

    @property
    def name(self) -> str:
        return "Callboard"

    @asynccontextmanager
    async def running(self, place: Place) -> AsyncIterator[list[Process]]:
        async with place.process("python", "-m", "scheduling") as scheduler, super().running(place) as processes:
            yield [*processes, scheduler]

    async def is_drained(self, place: Place, connection: redis.asyncio.Redis, actor: str) -> bool:
        """No message is left (the relay may still have some to send), and no row of a job that has not ended."""
        if not await super().is_drained(place, connection, actor):
            return False
        async with place.database() as database:
            return not await database.fetchval("select exists (select from jobs where outcome is null)")

    async def waiting(self, place: Place, actor: str) -> int:
        async with place.database() as database:
            return int(await database.fetchval("select count(*) from jobs where outcome is null"))

    async def first_start(self, place: Place) -> float:
        """The row's: when its claim began, before the actor did."""
        async with place.database() as database:
            return float(await database.fetchval("select extract(epoch from min(started_at)) from jobs"))

    async def counters(self, place: Place) -> dict[str, float]:
        async with place.database() as database:
            await database.execute("select pg_stat_clear_snapshot()")
            found = await database.fetchrow(
                "select pg_current_wal_insert_lsn() - '0/0' as wal_bytes, n_tup_upd as updates,"
                " n_tup_hot_upd as hot_updates, xact_commit as commits"
                " from pg_stat_user_tables, pg_stat_database where relname = 'jobs' and datname = current_database()"
            )
            return {name: float(value) for name, value in found.items()}

    async def rows(self, place: Place) -> dict[str, Any]:
        async with place.database() as database:
            return dict(
                await database.fetchrow(
                    "select count(*) filter (where state = 'succeeded' and attempt = 1) as succeeded_at_once,"
                    " count(*) as rows,"
                    " extract(epoch from max(finished_at) - min(started_at))::float8 as seconds_by_rows from jobs"
                )
            )


class Celery(System):
    """For workflows: two processes for two cores, as Celery itself would choose."""

    flows = "benchmarks.flow_celery"
    enqueuer, worker, namespace = "benchmarks.flow_celery", "benchmarks.celery_app", "celery"

    @property
    def name(self) -> str:
        return f"Celery {version('celery')}, {self.threads} processes"

    @asynccontextmanager
    async def running(self, place: Place) -> AsyncIterator[list[Process]]:
        options = ("--loglevel", "WARNING", "--concurrency", str(self.threads))
        async with place.process("celery", "-A", self.worker, "worker", *options) as worker:
            yield [worker]

    async def first_start(self, place: Place) -> float:
        raise NotImplementedError("Celery keeps no record of it; its workflows are timed from outside.")
