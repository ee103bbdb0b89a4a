"""One run of the suite: its own folder, its own servers, and nothing of the developer's own settings."""

import asyncio
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.home import prepare
from local.servers import running
from settings import Settings
from tests.support.databases import create_database, drop_database, empty_redis, leave_empty
from tests.support.process import ROOT

# Of every process of the run: `actors` reads its settings once, when it is imported.
SETTINGS = {
    "SECRET_KEY": "of-the-tests-0123456789abcdefghijklmnop",
    "SEED_SCHEDULES": "false",  # tests count jobs
    "OUTGOING_SCHEMES": "http,https",
    "OUTGOING_PORTS": "*",
    "OUTGOING_PRIVATE": "127.0.0.0/8",
    "WEBHOOK_EVENT_TYPES": "order.paid,order.shipped",
    "WEBHOOK_SCHEDULE": "0.05,0.05,0.05",
}


class Run:
    """Started before the tests are collected: importing `actors` makes the broker, which must know its Redis."""

    def __init__(self) -> None:
        self._end = ExitStack()
        # Not pytest's own folder: PostgreSQL's user could not pass through it.
        self.home = prepare(Path(tempfile.mkdtemp(prefix="callboard-test-")))
        self._end.callback(shutil.rmtree, self.home)

    def start(self) -> None:
        given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
        patch = self._end.enter_context(pytest.MonkeyPatch.context())
        # What the developer has set (in the shell, .env, callboard.toml) is out of reach: a test must not send mail
        # through somebody's real SMTP server. The two files are looked up where the process runs.
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.chdir(self.home)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("CALLBOARD_HOME", str(self.home))
        for name, value in SETTINGS.items():
            patch.setenv(name, value)

        urls = self._end.enter_context(running(self.home, given))
        database_url = asyncio.run(create_database(urls["DATABASE_URL"]))
        self._end.callback(lambda: asyncio.run(drop_database(database_url)))
        patch.setenv("DATABASE_URL", database_url)
        redis_url = asyncio.run(empty_redis(urls["REDIS_URL"]))
        self._end.callback(lambda: asyncio.run(leave_empty(redis_url)))
        patch.setenv("REDIS_URL", redis_url)

    def stop(self) -> None:
        self._end.close()
