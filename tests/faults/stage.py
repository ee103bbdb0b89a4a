"""Where a fault takes place: servers, workers, schedulers, jobs, and the count at the end."""

import asyncio
import contextlib
import math
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import redis.asyncio
from dramatiq import Actor
from redis.exceptions import RedisError

from db.database import UNAVAILABLE
from runtime.client import Client
from runtime.transport import Keys
from services import jobs
from settings import Settings
from tests.faults.report import Outcome
from tests.faults.servers import Servers
from tests.support.process import Process
from tests.support.waiting import wait_for

WORKER = ("dramatiq", "tests.faults.fault_actors", "--processes", "1", "--threads", "4")
SCHEDULER = ("python", "-m", "scheduling")
READY = {"dramatiq": "Worker process is ready for action", "python": "scheduling is ready"}


class Start(NamedTuple):
    """A run of a job that was started."""

    job: uuid.UUID
    attempt: int
    pid: int
    at: float  # seconds since 1970


class Stage:
    def __init__(self, client: Client, settings: Settings, servers: Servers, folder: Path) -> None:
        self.client, self.settings, self.servers = client, settings, servers
        self._folder = folder
        self._runs = folder / "runs"
        self.processes: list[Process] = []
        self.ids: list[uuid.UUID] = []
        self.strikes: list[float] = []
        self.environment = {
            "DATABASE_URL": str(settings.database_url),
            "REDIS_URL": str(settings.redis_url),
            "CALLBOARD_HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "FAULT_RUNS": str(self._runs),
        }

    async def worker(self, *options: str, **variables: str) -> Process:
        return await self._ready(self.launch(*WORKER, *options, **variables))

    async def scheduler(self, *modules: str, **variables: str) -> Process:
        return await self._ready(self.launch(*SCHEDULER, *modules, **variables))

    async def keep(self, number: int, *command: str) -> None:
        """What a platform does: start another process for each that has ended."""
        while True:
            for _ in range(number - len(self.living(*command))):
                self.launch(*command)
            await asyncio.sleep(0.1)

    def living(self, *command: str) -> list[Process]:
        return [process for process in self.processes if process.command == command and process.code is None]

    def launch(self, *command: str, **variables: str) -> Process:
        """A process that is perhaps not ready yet."""
        log = self._folder / f"{len(self.processes)}.log"
        self.processes.append(Process(command, self.environment | variables, log))
        return self.processes[-1]

    async def _ready(self, process: Process) -> Process:
        await process.says(READY[process.command[0]])
        return process

    async def enqueue(self, number: int, actor: Actor[Any, Any], *args: Any, **options: Any) -> list[uuid.UUID]:
        """Accepted jobs: their transaction has committed."""
        async with self.client.session() as session:
            calls = [jobs.Call(actor, args, {})] * number
            ids = await jobs.enqueue_many(session, calls, jobs.Options(**options))
            await session.commit()
        self.ids += ids
        return ids

    def starts(self) -> list[Start]:
        text = self._runs.read_text() if self._runs.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may be on its way
        return [Start(uuid.UUID(job), int(n), int(pid), float(at)) for job, n, pid, at in map(str.split, lines)]

    async def started(self, number: int, timeout: float = 60) -> list[Start]:
        """Wait until so many runs have started."""
        return await wait_for(
            lambda: found if len(found := self.starts()) >= number else None, timeout, f"{number} starts"
        )

    def strike(self) -> None:
        """A fault comes now; the jobs' ends are counted from the last one."""
        self.strikes.append(time.time())

    @property
    def struck_at(self) -> float:
        return self.strikes[-1]

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        async with self.client.database.connection() as connection:
            return list(await connection.fetch(statement, *values))

    async def count(self, statement: str, *values: Any) -> int:
        return int((await self.rows(statement, *values))[0][0])

    async def until(self, statement: str, *values: Any, timeout: float = 60) -> None:
        """Wait until a statement's first value is true, also while PostgreSQL is away."""

        async def look() -> bool:
            try:
                return bool((await self.rows(statement, *values))[0][0])
            except UNAVAILABLE:
                return False

        await wait_for(look, timeout, statement)

    async def all_ended(self, timeout: float = 120) -> None:
        await self.until("select count(*) = 0 from jobs where outcome is null", timeout=timeout)

    async def dispatched(self, number: int) -> None:
        await self.until("select count(*) >= $1 from jobs where dispatched_at is not null", number)

    @property
    def redis(self) -> redis.asyncio.Redis:
        return self.client.redis

    async def waiting(self, number: int, actor: Actor[Any, Any]) -> None:
        """Wait until so many messages are in the actor's queue in Redis."""

        async def look() -> bool:
            return int(await self.redis.llen(Keys.of(actor.queue_name).waiting)) >= number

        await wait_for(look, 60, f"{number} messages in Redis")

    async def all_delivered(self, timeout: float = 60) -> None:
        """Nothing is left in Redis: neither waiting nor in somebody's hands."""

        async def look() -> bool:
            with contextlib.suppress(RedisError):
                return not [key async for key in self.client.redis.scan_iter("dramatiq:fault-*")]
            return False

        await wait_for(look, timeout, "the queues in Redis to be empty")

    def said(self, text: str) -> int:
        """How often the processes' logs hold the text."""
        return self.output.count(text)

    def missed(self) -> list[int]:
        """How often each activity of each process says that a server is away; those that say so at all."""
        said = re.compile(r"a server is away.*?((?:service|doing)='[^']*')")
        return [times for process in self.processes for times in Counter(said.findall(process.output)).values()]

    def refused(self) -> int:
        """How many stale runs the workers say were refused."""
        counts = re.findall(r"runs that had been given up were refused.* count=(\d+)", self.output)
        return sum(map(int, counts))

    @property
    def output(self) -> str:
        return "\n".join(process.output for process in self.processes)

    async def outcome(self, fault: str, timeout: float = 80, *, restarts: bool = False) -> Outcome:
        """Wait for the end of all jobs, and count."""
        await self.all_ended(timeout)
        succeeded = {row[0] for row in await self.rows("select id from jobs where state = 'succeeded'")}
        effects = Counter((row[0], row[1]) for row in await self.rows("select job, item from fault_effects"))
        effective = {job for job, _ in effects}
        ended = await self.rows("select extract(epoch from max(finished_at))::float8 from jobs")
        return Outcome(
            fault=fault,
            jobs=len(self.ids),
            lost=sum(1 for job in self.ids if job not in succeeded or job not in effective),
            doubled=sum(effects.values()) - len(effects),
            more_runs=len(self.starts()) - len({start.job for start in self.starts()}),
            seconds=max(0.0, ended[0][0] - self.struck_at),
            restarted=self._restarted() if restarts else None,
        )

    def _restarted(self) -> float | None:
        """The longest that a job waited to be started again after the fault that interrupted it."""
        last: dict[uuid.UUID, float] = {}
        waited = []
        for start in sorted(self.starts(), key=lambda start: start.at):
            faults = [at for at in self.strikes if last.get(start.job, math.inf) <= at < start.at]
            waited += [start.at - at for at in faults[:1]]
            last[start.job] = start.at
        return max(waited, default=None)

    def end(self) -> None:
        for process in self.processes:
            process.kill()


@contextlib.asynccontextmanager
async def opened(settings: Settings, servers: Servers, folder: Path) -> AsyncIterator[Stage]:
    async with Client.open(settings) as client:
        stage = Stage(client, settings, servers, folder)
        try:
            yield stage
        finally:
            stage.end()
