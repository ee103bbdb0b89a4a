"""Tests of what pages say of releases."""

import html
import json
import re

import httpx

from runtime.client import Client
from runtime.lease import WorkerLease
from runtime.version import VERSION
from settings import Settings

GROUP = """
insert into error_groups (fingerprint, error_type, pattern, first_seen_at, last_seen_at, occurrences, sample_job,
                          sample_attempt)
values ($1, 'TimeoutError', 'slow', now(), now(), 1, gen_random_uuid(), 1)
"""
FINGERPRINT = "0123456789abcdef0123456789abcdef"


async def test_a_release_is_marked_where_it_was_first_seen(
    program: httpx.AsyncClient, client: Client, settings: Settings
) -> None:
    """Given workers of two releases, one of which starts again, then the charts mark each of the two once, a table's
    reader is told as well, and an error that was seen then says with which release that was."""

    def of(release: str) -> WorkerLease:
        return WorkerLease(client.database, settings.model_copy(update={"release": release}), ["default"], 1)

    await of("v41").register()
    await of("v42 <b>").register()
    async with client.database.connection() as connection:
        await connection.execute(GROUP, FINGERPRINT)
    await of("v41").register()
    page = (await program.get("/")).text
    data = json.loads(html.unescape(re.findall(r'id="throughput-data">(.*?)</script>', page)[0]))
    assert [name for _, name in data["marks"]] == ["v42 <b>", "v41"]
    assert "<strong>v42 &lt;b&gt;</strong>" in page
    assert "with release v42 &lt;b&gt;" in (await program.get(f"/errors/{FINGERPRINT}")).text
    assert "v42 &lt;b&gt;" in (await program.get("/queues")).text


async def test_who_says_no_release_is_of_the_version(
    program: httpx.AsyncClient, client: Client, settings: Settings
) -> None:
    """Given a worker without RELEASE, then it is of Callboard's version."""
    await WorkerLease(client.database, settings, ["default"], 1).register()
    page = (await program.get("/queues")).text
    assert f'<td class="shrink">{VERSION}</td>' in page
