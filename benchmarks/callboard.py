"""Callboard as it is deployed, with the benchmarks' actors beside its own: `dramatiq benchmarks.callboard`."""

import asyncio
import time
from typing import Any

import dramatiq

from actors import broker
from benchmarks.work import FOLDER, LATENCIES, QUEUES, declare, note
from runtime import current_job

__all__ = ["actors", "broker"]

actors = declare(broker)

STEPS, STEP = 20, 0.05  # how many, and seconds of each


async def run(number: int, verb: str) -> None:
    """The same small job with one of the handle's verbs, or with none."""
    note(number)
    job = current_job()
    for step in range(STEPS):
        await asyncio.sleep(STEP)
        if verb == "telling":
            await job.progress(step + 1, STEPS, "on its way")
        elif verb == "logging":
            job.log.info("a step is done", step=step)
        elif verb == "keeping" and step % 10 == 9:
            await job.checkpoint({"step": step})


def declare_verb(verb: str) -> dramatiq.Actor[Any, Any]:
    async def actor(number: int) -> None:
        await run(number, verb)

    return dramatiq.actor(actor_name=verb, broker=broker, queue_name=QUEUES[verb])(actor)


actors |= {verb: declare_verb(verb) for verb in ("silent", "telling", "logging", "keeping")}


async def doze(number: int) -> None:
    """Wait to be cancelled, and note when that was."""
    try:
        await asyncio.sleep(60)
    finally:
        with (FOLDER / LATENCIES).open("a") as file:
            file.write(f"{time.time()}\n")


actors["doze"] = dramatiq.actor(broker=broker, queue_name=QUEUES["doze"], max_retries=0)(doze)
