"""`python -m scheduling`: the relay, the reconciler, the rescuer and their siblings, until SIGTERM or Ctrl-C."""

import asyncio
import contextlib
import logging
import signal

import redis.asyncio
import structlog
import uvloop
from redis.exceptions import RedisError

from runtime import logs
from runtime.client import Client
from runtime.grants import Grants
from runtime.transport import WAKE
from scheduling.leader import Leader
from scheduling.limiter import Limiter
from scheduling.loop import keep_running
from scheduling.reconciler import Reconciler
from scheduling.relay import Relay
from scheduling.rescuer import Rescuer
from scheduling.statistics import Statistics
from scheduling.sweeper import Sweeper
from settings import Settings, settings

log = structlog.get_logger("callboard")


async def run(settings: Settings) -> None:
    stopped, due, limits_due = asyncio.Event(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Client.open(settings) as client:
        relay = Relay(client.database, client.redis, client.outbox, settings.dispatch_window)
        reconciler = Reconciler(client.database, client.redis)
        leader = Leader(client.database, settings.leader_lease)
        rescuer = Rescuer(client.database, client.redis, leader, settings.worker_lease)
        counting = Statistics(client.database, leader)
        limiter = Limiter(client.database, Grants(client.database, client.redis, client.outbox))
        sweeper = Sweeper(client.database)
        tasks = [
            asyncio.create_task(keep_running("relay", relay.run_once, due)),
            asyncio.create_task(keep_running("reconciler", reconciler.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("leader", leader.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("rescuer", rescuer.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("statistics", counting.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("limiter", limiter.run_once, limits_due)),
            asyncio.create_task(keep_running("sweeper", sweeper.run_once, asyncio.Event())),
            asyncio.create_task(listen(client.redis, [due, limits_due])),
        ]
        log.info("scheduling is ready")
        await stopped.wait()
        log.info("scheduling stops")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await leader.resign()


async def listen(connection: redis.asyncio.Redis, wake: list[asyncio.Event]) -> None:
    """Set these whenever somebody says that there is something to send. While Redis is away nothing can be."""
    while True:
        with contextlib.suppress(RedisError, ConnectionError):
            async with connection.pubsub() as channel:
                await channel.subscribe(WAKE)
                async for _ in channel.listen():  # first the answer to the subscription: what was said before it
                    for event in wake:
                        event.set()
        await asyncio.sleep(1)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s [scheduling] %(message)s", level=logging.INFO)
    logs.configure(settings())
    uvloop.run(run(settings()))
