"""WORK: what runs in a worker, one file per kind of work. Every module in this folder is loaded: `dramatiq actors`."""

import importlib
import pkgutil

import dramatiq

from runtime import logs
from runtime.broker import Broker
from settings import settings

logs.configure(settings())
broker = Broker(settings())
dramatiq.set_broker(broker)

for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    importlib.import_module(module.name)
