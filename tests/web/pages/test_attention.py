"""Tests of the strip that every page has when something stands still."""

import httpx
import pytest

from runtime.client import Client
from scheduling.leader import Leader
from settings import Settings
from tests.web.callers import BEARER, caller, started
from tests.web.pages import rows

BLOCK = {"HX-Request": "true", "HX-Target": "div#attention"}


async def test_a_scheduler_that_is_missing_is_missed(program: httpx.AsyncClient) -> None:
    """Given no scheduler, then every page that somebody looks at says so, and how to start one."""
    assert 'hx-get="/attention"' in (await program.get("/settings/users")).text
    strip = (await program.get("/attention", headers=BLOCK)).text
    assert "No scheduler leads" in strip
    assert "python -m scheduling" in strip


async def test_a_queue_that_nobody_takes_from_is_named(program: httpx.AsyncClient, client: Client) -> None:
    """Given a scheduler, due jobs in a queue with a worker and in one without, then that one alone is named."""
    await Leader(client.database, 60).run_once()
    await rows.workers(client)
    await rows.live(client, 4, queue="email", due=20)
    await rows.live(client, 3, queue="night mails", due=20)
    strip = (await program.get("/attention", headers=BLOCK)).text
    assert '<a href="/queues/night%20mails">night mails</a>: 3 due' in strip
    assert strip.count("alert") == 1


async def test_the_strip_is_empty_as_long_as_all_is_well(program: httpx.AsyncClient, client: Client) -> None:
    await Leader(client.database, 60).run_once()
    assert (await program.get("/attention", headers=BLOCK)).text == ""


@pytest.mark.parametrize(("name", "look"), [("Production EU", "environment production"), ("staging", "environment")])
async def test_a_page_says_where_it_is(settings: Settings, name: str, look: str) -> None:
    """Given an installation with a name, then its pages have it on top; that of production stands out."""
    async with started(settings.model_copy(update={"environment": name})) as app, caller(app, BEARER) as program:
        assert f'<strong class="{look}">{name}</strong>' in (await program.get("/settings/users")).text
