"""Callboard as it is deployed, with the benchmarks' actors beside its own: `dramatiq benchmarks.callboard`."""

from actors import broker
from benchmarks.work import declare

__all__ = ["actors", "broker"]

actors = declare(broker)
