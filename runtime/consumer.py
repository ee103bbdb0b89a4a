"""Fetches a queue's messages: wakes at once, takes as many as there is room for, hands async jobs to the event loop."""

import asyncio
import collections
import concurrent.futures
import time
from typing import TYPE_CHECKING

import redis
import structlog
from dramatiq import Consumer, MessageProxy
from dramatiq.errors import DecodeError

from runtime.delivery import Delivery, Ending
from runtime.executor import Executor
from runtime.patience import Patience
from runtime.slots import Kind
from runtime.transport import FETCH, HEARTBEATS, MOST, PUSH, Keys, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.broker import Broker

log = structlog.get_logger("callboard")

_DELAYED_AT_ONCE = 500
_AHEAD = 0.05  # seconds
_MOST_AHEAD = 2  # times as many as there are slots
_MOST_HELD = 0.25  # seconds that a message is held for a slot of this worker's
_PAUSED_LOOK = 1.0  # seconds between looks whether a paused queue goes on, which it is told too
_HELD_LOOK = 0.05  # seconds between looks at Redis while messages are held


class JobConsumer(Consumer):
    """One queue's consumer, in a thread of its own.

    Whether a job takes a task or a thread is known only once its message is fetched. Those that find no slot of their
    kind are held, not claimed, up to twice as many as there are threads (Dramatiq's own measure), so that the other
    kind gets on; beyond that they go back to Redis for other workers. A queue of one kind of actor holds none.
    """

    def __init__(self, broker: "Broker", executor: Executor, queue: str, timeout: int) -> None:
        self._broker, self._executor, self._queue = broker, executor, queue
        self._slots = executor.slots
        self._timeout = timeout / 1000
        self._delayed = queue.endswith(".DQ")
        keys = Keys.of(queue)
        self._keys = [keys.waiting, keys.messages, Keys.acks(broker.broker_id, queue), HEARTBEATS]
        self._script = broker.client.register_script(FETCH)
        self._push = broker.client.register_script(PUSH)
        self._kinds = {executor.kind(name) for name, actor in broker.actors.items() if actor.queue_name == queue}
        self._held: dict[Kind, collections.deque[Delivery]] = {kind: collections.deque() for kind in Kind}
        self._most_held = 2 * self._slots.capacity[Kind.THREAD] if len(self._kinds) > 1 else 0
        self._allowance = self._most_held or MOST  # how many at once: few, while some may find no slot
        self._patience = Patience("fetching messages", executor.cannot_fetch)
        self._ready: collections.deque[Delivery] = collections.deque()  # claimed, for Dramatiq's threads

    def __next__(self) -> MessageProxy | None:
        if not self._ready:
            try:
                if self._executor.stopping or self._executor.settlement.is_behind:
                    time.sleep(0.01)
                elif self._delayed:
                    self._adopt_delayed()
                elif self._executor.pauses.rests(self._queue):
                    self._rest()
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
        self._return([delivery for held in self._held.values() for delivery in held])
        for held in self._held.values():
            held.clear()

    def _take(self) -> None:
        """Claim what was held and has a slot now; then fetch as much as there is room for, or wait.

        What is fetched while others of its kind are held comes after them, whatever gets free meanwhile.
        """
        self._claim_held()
        self._return_long_held()
        holding = {kind for kind, held in self._held.items() if held}
        if any(len(self._held[kind]) >= self._most_held for kind in holding):
            self._slots.wait(dict.fromkeys(holding, 1), self._timeout)
            return
        taken = {kind: self._slots.take(kind, self._allowance, self._beyond(kind)) for kind in self._kinds - holding}
        room = sum(taken.values()) + sum(self._most_held - len(self._held[kind]) for kind in self._kinds)
        fetched: list[Delivery] = []
        fits: list[Delivery] = []
        back: list[Delivery] = []
        try:
            if room:
                fetched = self._fetch(min(self._allowance, room))
                fits, back = self._sort(fetched, taken)
        finally:
            for kind, unused in taken.items():
                self._slots.give_unused(kind, unused)
        if fits:
            self._claim(fits)  # before anything that can fail: they have their slots
        self._return(back)
        if not room or (not fetched and holding):
            wanted = {kind: 1 - self._beyond(kind) // 2 for kind in self._kinds}
            self._slots.wait(wanted, _HELD_LOOK if holding else self._timeout)
        elif not fetched:
            self._wait_for_message()

    def _beyond(self, kind: Kind) -> int:
        """How many more than there are free slots may be claimed.

        An empty slot costs the time of a fetch and a claim. So where jobs are short some are claimed before there is a
        slot for them, no more than will be started within a moment: no other worker could start them much sooner.
        """
        return min(int(self._slots.rate(kind) * _AHEAD), self._slots.capacity[kind] * _MOST_AHEAD)

    def _sort(self, fetched: list[Delivery], taken: dict[Kind, int]) -> tuple[list[Delivery], list[Delivery]]:
        """Those that have a slot, which they take out of `taken`; others are held; and those to be given back."""
        fits: list[Delivery] = []
        back: list[Delivery] = []
        for delivery in fetched:
            kind = delivery.kind
            if kind is None:  # an actor that this worker does not know
                fits.append(delivery)
            elif taken.get(kind, 0):
                taken[kind] -= 1
                fits.append(delivery)
            elif len(self._held[kind]) < self._most_held:
                delivery.held_since = time.monotonic()
                self._held[kind].append(delivery)
            else:
                back.append(delivery)
        self._kinds |= {delivery.kind for delivery in fetched if delivery.kind is not None}
        if len(self._kinds) > 1:
            self._most_held = 2 * self._slots.capacity[Kind.THREAD]
        self._allowance = (self._most_held or 1) if back else min(self._allowance * 2, MOST)
        return fits, back

    def _rest(self) -> None:
        """The queue is paused, or this worker drains: what was fetched and not claimed goes back."""
        self._return([delivery for held in self._held.values() for delivery in held])
        for held in self._held.values():
            held.clear()
        self._executor.pauses.wait(self._queue, _PAUSED_LOOK)
        self._maintain()  # this worker lives

    def _claim_held(self) -> None:
        batch: list[Delivery] = []
        for kind, held in self._held.items():
            batch += [held.popleft() for _ in range(self._slots.take(kind, len(held), self._beyond(kind)))]
        if batch:
            self._claim(batch)

    def _return_long_held(self) -> None:
        """Another worker may have room for what this one has none for."""
        for held in self._held.values():
            if held and time.monotonic() - held[0].held_since > _MOST_HELD:
                self._return(list(held))
                held.clear()

    def _return(self, deliveries: list[Delivery]) -> None:
        """Give messages back to Redis, to their place in its order, for other workers."""
        if deliveries:
            waiting, messages, acks, _ = self._keys
            pairs = [part for delivery in deliveries for part in (delivery.redis_id, delivery.encode())]
            self._push(keys=[waiting, messages], args=pairs)
            self._broker.client.srem(acks, *(delivery.redis_id for delivery in deliveries))

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
            delivery.kind = self._executor.kind(delivery.actor_name)
            delivery.slots = self._slots
        return delivery

    def _claim(self, batch: list[Delivery]) -> None:
        """Start the batch's async jobs; wait for the claim only if there are sync ones, which are run from here."""
        claim = asyncio.run_coroutine_threadsafe(self._executor.claim(batch), self._executor.loop)
        if self._delayed or any(delivery.kind is Kind.THREAD for delivery in batch):
            try:
                self._ready.extend(claim.result())
            except concurrent.futures.CancelledError:
                log.warning("a claim got no answer until the worker had to stop", queue=self._queue, count=len(batch))

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
            delivery.slots = None
        self._claim(batch)
