"""The web application on the test's servers, three callers, and two servers that are no use."""

import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from settings import Settings
from tests.web.callers import BEARER, LOGIN, caller, started


@pytest_asyncio.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with started(settings) as app:
        yield app


@pytest_asyncio.fixture
async def program(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A program with a key that may do everything."""
    async with caller(app, BEARER) as program:
        yield program


@pytest_asyncio.fixture
async def person(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of an administrator, signed in, on one of our own pages."""
    async with caller(app, httpx.Headers({"Sec-Fetch-Site": "same-origin"}), LOGIN) as person:
        yield person


@pytest_asyncio.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with caller(app, httpx.Headers()) as stranger:
        yield stranger


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody answers, and that nobody else takes meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]
