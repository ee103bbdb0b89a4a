"""Fetches a queue's messages: wakes at once, takes as many as there is room for, hands async jobs to the event loop."""

import asyncio
import collections
import time
from typing import TYPE_CHECKING

import redis
import structlog
from dramatiq import Consumer, MessageProxy
from dramatiq.errors import DecodeError

from runtime.delivery import Delivery, Ending
from runtime.executor import Executor
from runtime.patience import Patience
from runtime.transport import FETCH, HEARTBEATS, MOST, Keys, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.broker import Broker

log = structlog.get_logger("callboard")

_DELAYED_AT_ONCE = 500


class JobConsumer(Consumer):
    """One queue's consumer, in a thread of its own.

    Whether a message takes a slot of the event loop or a thread is known only once it is fetched. A queue whose actors
    are all of one kind takes slots of that kind; a mixed one takes both, and no more than there are threads until a
    fetch brings no sync job, then twice as many each time. Sync jobs that find no thread go back for other workers.
    """

    def __init__(self, broker: "Broker", executor: Executor, queue: str, timeout: int) -> None:
        self._broker, self._executor, self._queue = broker, executor, queue
        self._timeout = timeout / 1000
        keys = Keys.of(queue)
        self._keys = [keys.waiting, keys.messages, Keys.acks(broker.broker_id, queue), HEARTBEATS]
        self._script = broker.client.register_script(FETCH)
        self._tasks, self._threads = executor.async_slots, executor.thread_slots
        kinds = [executor.is_async(actor.actor_name) for actor in broker.actors.values() if actor.queue_name == queue]
        self._runs_async, self._runs_sync = any(kinds), not all(kinds) or not kinds
        self._allowance = self._threads.capacity if self._runs_sync else self._tasks.capacity
        self._patience = Patience("fetching messages", executor.cannot_fetch)
        self._ready: collections.deque[Delivery] = collections.deque()  # claimed, for Dramatiq's threads

    def __next__(self) -> MessageProxy | None:
        if not self._ready:
            try:
                if self._executor.stopping or self._executor.settlement.is_behind:
                    time.sleep(0.01)
                elif self._queue.endswith(".DQ"):
                    self._adopt_delayed()
                else:
                    self._take()
                self._patience.succeeded()
            except redis.RedisError as error:
                time.sleep(self._patience.failed(error))
        return self._ready.popleft() if self._ready else None

    def ack(self, message: MessageProxy) -> None:
        """A sync job has ended: the event loop writes that, then acknowledges. The thread goes on at once."""
        assert isinstance(message, Delivery)
        message.free_slot()
        self._executor.loop.call_soon_threadsafe(self._executor.settlement.settle, message)

    nack = ack

    def requeue(self, messages: "Iterable[MessageProxy]") -> None:
        """The worker stops: what was claimed for its threads and not started goes back to the queue."""
        for message in messages:
            assert isinstance(message, Delivery)
            message.ending = Ending.RELEASED
            self.ack(message)

    def close(self) -> None:
        self.requeue(self._ready)
        self._ready.clear()

    def _take(self) -> None:
        """Fetch and claim as many messages as there is room for, or wait for one."""
        threads = self._threads.take(self._threads.capacity, self._timeout) if self._runs_sync else 0
        tasks = self._tasks.take(self._allowance, self._timeout) if self._runs_async else 0
        batch: list[Delivery] = []
        try:
            if (threads or not self._runs_sync) and (tasks or not self._runs_async):
                batch = self._fetch(tasks or threads)
        finally:
            on_tasks = sum(delivery.is_async for delivery in batch)
            on_threads = sum(delivery.is_sync for delivery in batch)
            self._tasks.give(tasks - min(tasks, on_tasks))
            self._threads.give(threads - min(threads, on_threads))
        if batch:
            self._claim(self._keep(batch, tasks, threads))
            self._adapt(on_tasks, on_threads)
        elif tasks or threads:
            self._wait_for_message()

    def _adapt(self, on_tasks: int, on_threads: int) -> None:
        self._runs_async, self._runs_sync = self._runs_async or on_tasks > 0, self._runs_sync or on_threads > 0
        if on_threads:
            self._allowance = self._threads.capacity
        else:
            self._allowance = min(self._allowance * 2, self._tasks.capacity)

    def _keep(self, batch: list[Delivery], tasks: int, threads: int) -> list[Delivery]:
        """Those of the batch that have a slot; the others go back to Redis."""
        kept: list[Delivery] = []
        back: list[Delivery] = []
        for delivery in batch:
            if delivery.is_async:
                fits, tasks = tasks > 0, tasks - 1
            elif delivery.is_sync:
                fits, threads = threads > 0, threads - 1
            else:
                fits = True
            (kept if fits else back).append(delivery)
        if back:
            self._broker.do_requeue(self._queue, *(delivery.redis_id for delivery in back))
        return kept

    def _fetch(self, most: int) -> list[Delivery]:
        now = int(time.time() * 1000)
        ids, messages = self._script(keys=self._keys, args=[min(most, MOST), now, self._broker.broker_id])
        deliveries = []
        for message_id, data in zip(ids, messages, strict=True):
            if data is None:
                self._broker.do_ack(self._queue, message_id)
                continue
            try:
                deliveries.append(self._deliver(data, message_id.decode()))
            except DecodeError as error:
                log.error("a message in Redis cannot be read: dead-lettered", queue=self._queue, error=str(error))  # noqa: TRY400
                self._broker.do_nack(self._queue, message_id)
        return deliveries

    def _deliver(self, data: bytes, redis_id: str) -> Delivery:
        delivery = Delivery(decode(data), self._queue, redis_id)
        if delivery.actor_name in self._broker.actors:
            delivery.is_async = self._executor.is_async(delivery.actor_name)
            delivery.is_sync = not delivery.is_async
            delivery.free_slot = self._tasks.give if delivery.is_async else self._threads.give
        return delivery

    def _claim(self, batch: list[Delivery]) -> None:
        """Start the batch's async jobs; wait for the claim only if there are sync ones, which are run from here."""
        claim = asyncio.run_coroutine_threadsafe(self._executor.claim(batch), self._executor.loop)
        if any(delivery.is_sync for delivery in batch):
            self._ready.extend(claim.result())

    def _wait_for_message(self) -> None:
        """Block until the list has a head: BLMOVE takes it and puts it back, which cannot lose it."""
        key = self._keys[0]
        if self._broker.client.blmove(key, key, max(1, round(self._timeout)), "LEFT", "LEFT") is None:
            self._maintain()

    def _maintain(self) -> None:
        """Now and then Dramatiq's own fetch gives back what dead workers had fetched, and drops old dead letters."""
        self._broker.do_fetch(self._queue, 0)

    def _adopt_delayed(self) -> None:
        """Messages delayed by another program's broker wait in PostgreSQL, not in this worker's memory."""
        batch = self._fetch(_DELAYED_AT_ONCE)
        if not batch:
            self._wait_for_message()
            return
        for delivery in batch:
            delivery.free_slot = delivery.no_slot
        asyncio.run_coroutine_threadsafe(self._executor.claim(batch), self._executor.loop).result()
