"""Celery as its documentation sets it up, results in the same Redis: `celery -A benchmarks.celery_app worker`."""

import os

from celery import Celery
from celery.signals import worker_ready

app = Celery("benchmarks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop(number: int) -> None:
    pass


@app.task(name="body")  # type: ignore[untyped-decorator]
def body(results: list[None]) -> int:
    return len(results)


@worker_ready.connect  # type: ignore[untyped-decorator]
def say_so(**_: object) -> None:
    """With its own line for it Celery would write two more for each task."""
    print("the worker is ready", flush=True)
