"""Where a benchmark runs: a database, a Redis number and a folder of its own, on servers that both systems share."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import redis.asyncio

from benchmarks.work import CANCELS, FIRST, LATENCIES, RAN
from local.home import prepare
from local.servers import running
from settings import Settings
from tests.support.databases import clean, create_database, drop_database, empty_redis
from tests.support.process import ROOT, Process

READY = {
    "dramatiq": "Worker process is ready for action",
    "python": "scheduling is ready",
    "celery": "the worker is ready",
    "uvicorn": "Uvicorn running on",
}


class Place:
    def __init__(self, home: Path, database_url: str, redis_url: str, options: Mapping[str, str]) -> None:
        self.home, self.database_url, self.redis_url = home, database_url, redis_url
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "CALLBOARD_HOME": str(home),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "BENCHMARK_FOLDER": str(home),
            "SEED_SCHEDULES": "false",  # only the jobs that are measured
            **options,
        }

    @classmethod
    @contextmanager
    def made(cls, options: Mapping[str, str]) -> Iterator["Place"]:
        """On the servers of DATABASE_URL and REDIS_URL, or on embedded ones that end with us.

        What else the developer has set is taken out of the environment: the figures are those of the defaults.
        """
        given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
        for name in Settings.model_fields:
            os.environ.pop(name.upper(), None)
        with ExitStack() as stack:
            home = prepare(Path(tempfile.mkdtemp(prefix="callboard-bench-")))
            stack.callback(shutil.rmtree, home)
            urls = stack.enter_context(running(home, given))
            database_url = asyncio.run(create_database(urls["DATABASE_URL"]))
            stack.callback(lambda: asyncio.run(drop_database(database_url)))
            yield cls(home, database_url, asyncio.run(empty_redis(urls["REDIS_URL"])), options)

    def settings(self) -> Settings:
        """As the processes will read them."""
        return Settings.model_validate({name.lower(): value for name, value in self.environment.items()})

    async def clean(self) -> None:
        """Empty tables, no messages, no files; a checkpoint now and not during a measurement."""
        await clean(self.database_url, self.redis_url)
        async with self.database() as connection:
            await connection.execute("checkpoint")
        for name in (RAN, FIRST, LATENCIES, CANCELS):
            (self.home / name).unlink(missing_ok=True)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.database_url, timeout=60, command_timeout=60)
        try:
            yield connection
        finally:
            await connection.close()

    def redis(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(self.redis_url, socket_timeout=10)

    @asynccontextmanager
    async def appendfsync(self, value: str | None) -> AsyncIterator[None]:
        """How often Redis flushes its file, for this long; None leaves it as it is."""
        if value is None:
            yield
            return
        async with self.redis() as connection:
            before = str((await connection.config_get("appendfsync"))["appendfsync"])
            await connection.config_set("appendfsync", value)
            try:
                yield
            finally:
                await connection.config_set("appendfsync", before)

    @asynccontextmanager
    async def process(self, *command: str) -> AsyncIterator[Process]:
        """A worker or a scheduler, ready for work."""
        process = Process(command, self.environment, self.home / f"{command[-1]}.log")
        try:
            await process.says(READY[command[0]])
            yield process
        finally:
            process.stop()

    async def run(self, *command: str) -> str:
        """What a command of our own printed."""
        started = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.home,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(started.communicate(), timeout=600)
        if started.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {started.returncode}:\n{errors.decode()}")
        return output.decode()
