"""`python -m scheduling`: schedules, the relay, the reconciler, the rescuer and the others, until SIGTERM or Ctrl-C.

Actors that are not in `actors/` are named as for a worker: `python -m scheduling my_package.tasks`.
"""

import asyncio
import contextlib
import importlib
import logging
import signal
import sys

import redis.asyncio
import structlog
import uvloop
from redis.exceptions import RedisError

from actors import broker
from runtime import collector, logs
from runtime.cancelling import cancel_and_wait
from runtime.client import Client
from runtime.grants import Grants
from runtime.patience import AWAY
from runtime.transport import SCHEDULES, WAKE
from scheduling.firing import Firing
from scheduling.health import HealthAlerts
from scheduling.held_mail import HeldMail
from scheduling.leader import Leader
from scheduling.limiter import Limiter
from scheduling.loop import keep_running
from scheduling.pauses import Pauses
from scheduling.reconciler import Reconciler
from scheduling.relay import Relay
from scheduling.rescuer import Rescuer
from scheduling.seeder import Seeder
from scheduling.settler import Settler
from scheduling.statistics import Statistics
from scheduling.sweeper import Sweeper
from scheduling.workflows import Workflows
from settings import Settings, settings

log = structlog.get_logger("callboard")

_PATIENCE = 30.0  # seconds that a statement may take: who waits for a server that is gone relays and rescues nothing


async def run(settings: Settings) -> None:
    stopped, due, limits_due, changed = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Client.open(settings, patience=_PATIENCE) as client:
        relay = Relay(client.database, client.outbox, settings.dispatch_window)
        reconciler = Reconciler(client.database, client.redis, settings.dispatch_window)
        leader = Leader(client.database, settings.leader_lease)
        rescuer = Rescuer(client.database, client.redis, leader, settings.worker_lease)
        firing = Firing(client, broker, leader, due)
        seeder = Seeder(client, settings, leader)
        settler = Settler(client.database, leader, settings.retention_executions_days)
        counting = Statistics(client.database, leader)
        limiter = Limiter(client.database, Grants(client.database, client.redis, client.outbox))
        sweeper = Sweeper(client.database)
        pauses = Pauses(client.database, client.redis)
        workflows = Workflows(client.database, client.redis, client.outbox)
        health = HealthAlerts(client, leader, settings.health_silence)
        held_mail = HeldMail(client, leader)
        tasks = [
            asyncio.create_task(keep_running("relay", relay.run_once, due)),
            asyncio.create_task(keep_running("reconciler", reconciler.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("leader", leader.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("rescuer", rescuer.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("schedules", firing.run_once, changed)),
            asyncio.create_task(keep_running("settler", settler.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("statistics", counting.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("limiter", limiter.run_once, limits_due)),
            asyncio.create_task(keep_running("sweeper", sweeper.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("pauses", pauses.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("health", health.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("held mail", held_mail.run_once, asyncio.Event())),
            asyncio.create_task(keep_running("workflows", workflows.run_once, asyncio.Event())),
            asyncio.create_task(listen(client.redis, {WAKE: [due, limits_due], SCHEDULES: [changed]})),
            asyncio.create_task(keep_running("seeder", seeder.run_once, asyncio.Event())),
        ]
        log.info("scheduling is ready")
        await stopped.wait()
        log.info("scheduling stops")
        await cancel_and_wait(tasks)
        with contextlib.suppress(*AWAY):  # then its lease ends by itself
            await leader.resign()


async def listen(connection: redis.asyncio.Redis, wakes: dict[str, list[asyncio.Event]]) -> None:
    """Set the events of a channel whenever somebody says something there. While Redis is away nothing can be said."""
    events = {channel.encode(): each for channel, each in wakes.items()}
    while True:
        with contextlib.suppress(RedisError, ConnectionError):
            async with connection.pubsub() as channel:
                await channel.subscribe(*wakes)
                async for message in channel.listen():  # first the answers: what was said before them
                    for event in events.get(message["channel"], ()):
                        event.set()
        await asyncio.sleep(1)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    logging.basicConfig(format="%(asctime)s [scheduling] %(message)s", level=logging.INFO)
    logs.configure(settings())
    collector.freeze()
    uvloop.run(run(settings()))
