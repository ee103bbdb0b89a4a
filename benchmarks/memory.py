"""How much memory processes hold."""

from typing import NamedTuple

import psutil

from tests.support.process import Process

MEGABYTE = 1_000_000


class Memory(NamedTuple):
    """In MB. RSS counts shared pages in each process; PSS (Linux) shares them out; elsewhere it is the RSS."""

    rss: float
    pss: float

    @classmethod
    def of(cls, process: psutil.Process) -> "Memory":
        found = process.memory_full_info()
        return cls(found.rss / MEGABYTE, getattr(found, "pss", found.rss) / MEGABYTE)


def of_system(processes: list[Process]) -> dict[str, Memory]:
    """Of the worker process, of Dramatiq's main process above it, and of the scheduler if there is one."""
    main = psutil.Process(processes[0].pid)
    # Of its children (multiprocessing's resource tracker is one) the worker is the big one.
    worker = max((Memory.of(child) for child in main.children()), key=lambda memory: memory.rss)
    memory = {"worker": worker, "main": Memory.of(main)}
    if len(processes) > 1:
        memory["scheduler"] = Memory.of(psutil.Process(processes[1].pid))
    return memory
