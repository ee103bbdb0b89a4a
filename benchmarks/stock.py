"""Stock Dramatiq as its documentation sets it up for async actors: `dramatiq benchmarks.stock`."""

import os

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from benchmarks.work import STOCK_NAMESPACE, declare

# redis-py's pool has 100 connections unless told otherwise. With 256 threads the others' acknowledgements would fail, and
# Dramatiq tries them again 5 seconds later: 350 jobs/s instead of 1,500.
client = redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=1_000)
broker = RedisBroker(client=client, namespace=STOCK_NAMESPACE)
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
actors = declare(broker)
