"""Enqueues for stock Dramatiq, in a process of its own: `python -m benchmarks.enqueue_stock drain noop 10000`."""

import random
import sys
import time

from benchmarks.stock import actors

# A drain's jobs, and both ways of enqueueing, are `send` in a loop: it has no call for many.


def send(actor: str, count: int) -> None:
    for number in range(count):
        actors[actor].send(number)


def send_to_idle_worker(actor: str, count: int) -> None:
    pause = random.Random(count)
    for _ in range(count):
        time.sleep(pause.uniform(0.1, 0.7))
        actors[actor].send(time.time())


if __name__ == "__main__":
    way, name, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
    started = time.perf_counter()
    (send_to_idle_worker if way == "idle" else send)(name, most)
    print(time.perf_counter() - started)
