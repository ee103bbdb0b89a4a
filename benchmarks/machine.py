"""What a run ran on: the machine, the versions, the settings. Figures mean little without."""

import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.place import Place
from errors import ConfigurationError

_TRIES = 200


async def describe(place: Place) -> dict[str, str]:
    """In the order people read it."""
    settings = place.settings()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({_cpu()}), {psutil.virtual_memory().total / 2**30:.1f} GiB,"
        f" {platform.system()} {platform.release()}; load average at the start {os.getloadavg()[0]:.2f}",
        "versions": f"Python {platform.python_version()}, Dramatiq {version('dramatiq')}, redis-py {version('redis')},"
        f" asyncpg {version('asyncpg')}, SQLAlchemy {version('sqlalchemy')}, uvloop {version('uvloop')}",
        "PostgreSQL": await _postgres(place),
        "Redis": await _redis(place),
        "stock": "RedisBroker with its default middleware and AsyncIO, one worker process",
        "Callboard": "one worker process with 8 threads and one scheduler;"
        f" ASYNC_CONCURRENCY {settings.async_concurrency}, DISPATCH_WINDOW {settings.dispatch_window},"
        f" DATABASE_POOL {settings.database_pool}",
    }


async def _postgres(place: Place) -> str:
    async with place.database() as connection:
        names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        values = {name: await connection.fetchval(f"show {name}") for name in names}
        if values["fsync"] != "on" or values["synchronous_commit"] == "off":
            raise ConfigurationError(
                "This PostgreSQL does not write durably (fsync or synchronous_commit is off): figures measured on it "
                "would mean nothing. Turn both on, or unset DATABASE_URL to use the embedded server."
            )
        commit = await _milliseconds(
            lambda: connection.execute("select pg_logical_emit_message(true, 'benchmark', '')")
        )
        listed = ", ".join(f"{name} {value}" for name, value in values.items())
        return f"{await connection.fetchval('show server_version')}; {listed}; a commit takes {commit:.2f} ms"


async def _redis(place: Place) -> str:
    async with place.redis() as connection:
        server = await connection.info("server")
        name = (
            "Valkey " + server["valkey_version"] if "valkey_version" in server else "Redis " + server["redis_version"]
        )
        settings = await connection.config_get("append*")
        write = await _milliseconds(lambda: connection.set("benchmark", "x"))
        await connection.delete("benchmark")
        durability = f"appendonly {settings['appendonly']}, appendfsync {settings['appendfsync']}"
        return f"{name}; {durability}; one write takes {write:.2f} ms"


async def _milliseconds(action: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        await action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def _cpu() -> str:
    """The processor's name; Linux keeps it in a file, others let platform say it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
