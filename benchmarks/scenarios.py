"""What is measured, and how."""

import asyncio
import json
import statistics
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks import memory
from benchmarks.memory import Memory
from benchmarks.place import Place
from benchmarks.systems import Callboard, Celery, Stock, System
from benchmarks.work import CANCELS, LATENCIES, RAN
from tests.support.process import Process
from tests.support.waiting import wait_for

_LOOK = 0.005  # seconds between two looks at the queue
_LIMIT = 180.0


@dataclass
class Measured:
    """One round of a scenario with one system."""

    figures: dict[str, float]  # by unit: "jobs/s", "ms p50"
    memory: dict[str, Memory] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario(ABC):
    key: str  # its name on the command line
    title: str
    count: int
    systems: tuple[System, ...]
    goals: dict[str, str]  # what Callboard is to reach, by figure, in words

    @abstractmethod
    async def measure(self, place: Place, system: System) -> Measured: ...


@dataclass(frozen=True)
class Drain(Scenario):
    """Everything is enqueued while no worker runs; the time is from the first job's start to the end of the last
    one's acknowledgement, for Callboard behind its row's commit."""

    actor: str

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        await system.enqueue(place, "many", self.actor, self.count)
        before = await system.counters(place)
        async with system.running(place) as processes:
            ended = await self._wait_until_drained(place, system, processes[0])
            held = memory.of_system(processes)
        details = await system.rows(place)
        seconds = ended - await system.first_start(place)
        after = await system.counters(place)  # the processes have ended: PostgreSQL has all their counts
        details |= {f"{name}_per_job": (after[name] - before[name]) / self.count for name in before}
        self._require_each_once(json.loads((place.home / RAN).read_text()), details)
        return Measured({"jobs/s": self.count / seconds}, held, {"seconds": seconds, **details})

    async def _wait_until_drained(self, place: Place, system: System, worker: Process) -> float:
        try:
            async with asyncio.timeout(_LIMIT), place.redis() as connection:
                while True:
                    if await system.is_drained(place, connection, self.actor):
                        return time.time()
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            end = "\n".join(worker.output.splitlines()[-20:])
            raise RuntimeError(
                f"{self.title}: not done after {_LIMIT:g} s. The worker's log ends with:\n{end}"
            ) from None

    def _require_each_once(self, ran: list[int], details: dict[str, Any]) -> None:
        runs = Counter(ran)
        wrong = {number: runs[number] for number in range(self.count) if runs[number] != 1}
        if wrong or len(ran) != self.count:
            raise RuntimeError(
                f"{self.title}: not every job ran exactly once (job: runs): {dict(list(wrong.items())[:20])}"
            )
        if details.get("succeeded_at_once", self.count) != self.count:
            raise RuntimeError(
                f"{self.title}: not every row says that its job succeeded at its first attempt: {details}"
            )


@dataclass(frozen=True)
class Long(Drain):
    """A drain of longer jobs: some are claimed ahead and given back before they start, which counts as an attempt."""

    def _require_each_once(self, ran: list[int], details: dict[str, Any]) -> None:
        super()._require_each_once(ran, {})


@dataclass(frozen=True)
class Verb(Long):
    """A drain of jobs that use one of the handle's verbs, just behind one of the same jobs that do not."""

    async def measure(self, place: Place, system: System) -> Measured:
        silent = Long(self.key, self.title, self.count, self.systems, self.goals, "silent")
        without = await silent.measure(place, system)
        measured = await super().measure(place, system)
        measured.figures["of the speed without"] = measured.figures["jobs/s"] / without.figures["jobs/s"]
        return measured


@dataclass(frozen=True)
class Latency(Scenario):
    """Single jobs for a worker that has nothing to do, 100 to 700 ms apart: from just before the call that enqueues
    (Callboard: before its transaction) to the actor's first line."""

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        async with system.running(place) as processes:
            await asyncio.sleep(2)  # a worker that has just started looks more often than an idle one
            await system.enqueue(place, "idle", "latency", self.count)
            late = await wait_for(lambda: self._noted_all(place))
            held = memory.of_system(processes)
        centiles = statistics.quantiles(late, n=100, method="inclusive")
        return Measured({"ms p50": centiles[49], "ms p99": centiles[98]}, held, {"ms": sorted(late)})

    def _noted_all(self, place: Place) -> list[float]:
        """Every job's milliseconds once all have started, nothing before."""
        file = place.home / LATENCIES
        noted = [float(line) * 1000 for line in file.read_text().split()] if file.exists() else []
        return noted if len(noted) == self.count else []


@dataclass(frozen=True)
class Enqueue(Scenario):
    """From a process of its own, no worker running; until the last commit (stock: the last answer of Redis)."""

    way: str

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        before = await system.counters(place)
        seconds = await system.enqueue(place, self.way, "noop", self.count)
        await self._require_all(place, system)
        after = await system.counters(place)
        details = {f"{name}_per_job": (after[name] - before[name]) / self.count for name in before}
        return Measured({"jobs/s": self.count / seconds}, details={"seconds": seconds, **details})

    async def _require_all(self, place: Place, system: System) -> None:
        written = await system.waiting(place, "noop")
        if written != self.count:
            raise RuntimeError(f"{self.title}: {written} of {self.count} jobs were enqueued by {system.name}.")


@dataclass(frozen=True)
class Cancel(Scenario):
    """Async jobs that wait, cancelled one after the other: from just before the call to the job's `finally`."""

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        async with system.running(place):
            await system.enqueue(place, "cancel", "doze", self.count)
            asked, ended = ([float(line) for line in (place.home / name).read_text().split()]
                            for name in (CANCELS, LATENCIES))  # fmt: skip
        if len(asked) != len(ended) or len(asked) != self.count:
            raise RuntimeError(f"{self.title}: {len(asked)} were cancelled and {len(ended)} ended.")
        took = [(end - call) * 1000 for call, end in zip(asked, ended, strict=True)]
        centiles = statistics.quantiles(took, n=100, method="inclusive")
        return Measured({"ms p50": centiles[49], "ms p99": centiles[98]}, details={"ms": sorted(took)})


@dataclass(frozen=True)
class Chord(Scenario):
    """A chord, from just before it is started to the end of its body, the workers being there; for Callboard just
    behind the same jobs without it."""

    async def measure(self, place: Place, system: System) -> Measured:
        alone = await self._time(place, system, "jobs") if system is CALLBOARD else None
        seconds = await self._time(place, system, "chord")
        figures = {"children/s": self.count / seconds}
        if alone is not None:
            figures["times an engine job"] = seconds / alone
        return Measured(figures, details={"seconds": seconds, "seconds_of_jobs_alone": alone})

    async def _time(self, place: Place, system: System, way: str) -> float:
        await place.clean()
        async with system.running(place):
            return (await system.flow(place, way, self.count))["seconds"]


@dataclass(frozen=True)
class Chain(Scenario):
    """Steps one after the other, on a worker that has nothing else to do."""

    async def measure(self, place: Place, system: System) -> Measured:
        await place.clean()
        async with system.running(place):
            measured = await system.flow(place, "chain", self.count)
        return Measured({"ms a step, p50": measured["ms"]}, details={"seconds": measured["seconds"]})


STOCK, STOCK_256, CALLBOARD = Stock(8), Stock(256), Callboard(8)
CELERY = Celery(2)

SCENARIOS: tuple[Scenario, ...] = (
    Drain("noop", "10,000 no-op async jobs", 10_000, (STOCK, CALLBOARD), {"jobs/s": "≥ 5x"}, "noop"),
    Drain(
        "wait",
        "2,000 async jobs of 50 ms",
        2_000,
        (STOCK, STOCK_256, CALLBOARD),
        {"jobs/s": "≥ 20x, of 256 threads ≥ 1.7x"},
        "wait",
    ),
    Drain("sync", "10,000 no-op sync jobs", 10_000, (STOCK, CALLBOARD), {"jobs/s": "≥ 0.7x"}, "sync_noop"),
    Latency("latency", "start on an idle worker", 100, (STOCK, CALLBOARD), {"ms p50": "≤ 6 ms", "ms p99": "≤ 30 ms"}),
    Enqueue("enqueue", "enqueue 5,000 one by one", 5_000, (STOCK, CALLBOARD), {"jobs/s": "≥ 1,200/s"}, "one"),
    Enqueue(
        "sessions",
        "enqueue 5,000, each in a session beside a caller's rows",
        5_000,
        (CALLBOARD,),
        {"jobs/s": ""},
        "sessions",
    ),
    Enqueue("bulk", "enqueue 10,000 in bulk", 10_000, (STOCK, CALLBOARD), {"jobs/s": "≥ 30,000/s"}, "many"),
    Cancel("cancel", "cancel a running job", 100, (CALLBOARD,), {"ms p99": "≤ 200 ms"}),
    Verb(
        "progress", "2,000 jobs with 20 words each", 2_000, (CALLBOARD,), {"of the speed without": "≥ 0.9"}, "telling"
    ),
    Verb("logs", "2,000 jobs with 20 lines each", 2_000, (CALLBOARD,), {"of the speed without": ""}, "logging"),
    Verb(
        "checkpoints",
        "2,000 jobs with 2 checkpoints each",
        2_000,
        (CALLBOARD,),
        {"of the speed without": ""},
        "keeping",
    ),
    Chord(
        "chord",
        "a chord of 10,000 no-op children",
        10_000,
        (CELERY, CALLBOARD),
        {"children/s": "", "times an engine job": "≤ 1.5"},
    ),
    Chain("chain", "a chain of 1,000 no-op steps", 1_000, (CALLBOARD,), {"ms a step, p50": "≤ 25 ms"}),
)
