"""Celery as its documentation sets it up, results in the same Redis: `celery -A benchmarks.celery_app worker`."""

import os

from celery import Celery
from celery.signals import worker_ready

app = Celery("benchmarks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


def do_nothing(number: int) -> None:
    pass


def count(results: list[None]) -> int:
    return len(results)


def say_so(**_: object) -> None:
    """With its own line for it Celery would write two more for each task."""
    print("the worker is ready", flush=True)


noop = app.task(do_nothing, name="noop")
body = app.task(count, name="body")
worker_ready.connect(say_so)
