"""Chords for Celery, in a process of its own: `python -m benchmarks.flow_celery chord 10000`."""

import json
import sys
import time

from celery import chord

from benchmarks.celery_app import body, noop


def timed_chord(count: int) -> float:
    """From before it is sent until its body's result is there. With `propagate` the one who waits would ask Redis for
    each child's state, again and again, and take the processor away from the workers."""
    started = time.perf_counter()
    result = chord(noop.s(number) for number in range(count))(body.s())
    found = result.get(timeout=570, propagate=False)
    if found != count:
        raise RuntimeError(f"the body was given {found} results of {count}")
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps({"seconds": timed_chord(int(sys.argv[2]))}))
