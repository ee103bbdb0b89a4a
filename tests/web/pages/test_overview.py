"""Tests of the overview without a browser."""

import html
import json
import re
from urllib.parse import urlencode

import httpx
import pytest

from runtime.client import Client
from tests.web.pages import rows

LATE = """
insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, next_run_at, created_by,
                            updated_by)
values (gen_random_uuid(), 'late', 'send_email', 'cron', '{}', '{}', now() - interval '1 min', 'ana', 'ana')
"""
DISABLED = """
insert into webhook_endpoints (id, url, description, secrets, timeout, ordered, created_at, disabled_at,
                               disabled_reason)
values (gen_random_uuid(), 'https://example.com/', '', '[]', 10, false, now(), now() - interval '2 h', 'It is gone.')
"""
DELETED = """
insert into webhook_endpoints (id, url, description, secrets, timeout, ordered, created_at, disabled_at,
                               disabled_reason, deleted_at)
values (gen_random_uuid(), 'https://example.com/', '', '[]', 10, false, now(), now(), 'It was deleted.', now())
"""


@pytest.mark.parametrize("block", ["now", "charts"])
async def test_a_part_is_refreshed_alone(program: httpx.AsyncClient, block: str) -> None:
    """Given an open page, when its script asks for a part of it, then it gets that part and nothing around it."""
    part = await program.get("/", headers={"HX-Request": "true", "HX-Target": f"div#{block}"})
    assert part.status_code == 200, part.text
    assert "<html" not in part.text
    whole = await program.get("/")
    assert f'id="{block}"' in whole.text
    assert "<html" in whole.text


async def test_who_fails_most_is_named(program: httpx.AsyncClient, client: Client) -> None:
    """Given two actors of which one has failures, then that one is named with its share of failures."""
    assert "Most failing actors" not in (await program.get("/")).text
    await rows.counted(client, "send_email", "email", 1, 30)
    await rows.counted(client, "send_email", "email", 2, 10)
    await rows.counted(client, "resize_image", "images", 1, 5)
    page = (await program.get("/")).text
    table = page[page.index("Most failing actors") : page.index("Slowest actors")]
    assert "10 of 40" in table
    assert "25.0 %" in table
    assert "resize_image" not in table


async def test_jobs_are_counted_by_queue_and_by_actor(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs of two actors in three queues, then the chart has a line for each, and the table what is live and what
    has ended, as links to those jobs."""
    await rows.counted(client, "send_email", "email", 1, 30)
    await rows.counted(client, "send_email", "email", 2, 10)
    await rows.counted(client, "send_email", "night mails", 1, 5)
    await rows.live(client, 3, actor="resize_image", queue="images")
    by_queue = (await program.get("/?by=queue&period=24h")).text
    assert _series(by_queue) == {"email": 40, "night mails": 5}
    table = by_queue[by_queue.index('id="by-1"') : by_queue.index("Needs attention")]
    names = [html.unescape(name) for name in re.findall(r'class="cover" href="[^"]*">([^<]*)<', table)]
    assert names == ["email", "night mails", "images"]
    for search, count in (
        ("queue:email state:failed finished:<24h", 10),
        ('queue:"night mails" state:succeeded finished:<24h', 5),
        ("queue:images state:queued", 3),
    ):
        assert f'href="/jobs?{urlencode({"q": search})}">{count}</a>' in table
    assert 'href="/queues/images"' in table
    gone = urlencode({"q": 'queue:"night mails"'})
    assert f'href="/jobs?{gone}"' in table, "there may be no such queue any more"
    by_actor = (await program.get("/?by=actor")).text
    assert _series(by_actor) == {"send_email": 45}
    assert "/actors/resize_image" in by_actor


async def test_what_most_queues_did_is_summed_up(program: httpx.AsyncClient, client: Client) -> None:
    """Given eight queues, then the five busiest have a line each, and the others one together."""
    for number in range(1, 9):
        await rows.counted(client, "send_email", f"q{number}", 1, number)
    page = (await program.get("/?by=queue")).text
    assert _series(page) == {"q8": 8, "q7": 7, "q6": 6, "q5": 5, "q4": 4, "all others": 6}
    assert page.count('id="by-') == 8


async def test_what_is_not_over_is_said_to_be_so(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs that end now, then the newest row of what ended says "so far", in each grouping, and only that one."""
    await rows.counted(client, "send_email", "email", 1, 3)
    for grouping in ("", "?by=queue"):
        page = (await program.get(f"/{grouping}")).text
        assert page.count("so far") == 1
        assert page.index("<caption>") < page.index("so far") < page.index("</tr>", page.index("so far"))
        assert '"open":true' in page


def _series(page: str) -> dict[str, int]:
    """Of the chart of what ended: jobs by label."""
    found = re.search(r'id="throughput-data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found[1])
    return {one["label"]: sum(counts) for one, counts in zip(data["series"], data["values"][1:], strict=True)}


async def test_what_somebody_should_look_at_is_named(program: httpx.AsyncClient, client: Client) -> None:
    """Given due jobs in a queue with a worker and in one without, a late schedule, a disabled endpoint and a deleted
    one, then all but the first and the last are named, each with a link to it."""
    assert "Nothing needs you" in (await program.get("/")).text
    await rows.workers(client)
    await rows.live(client, 4, queue="email", due=20)
    await rows.live(client, 3, queue="night mails", due=20)
    await rows.live(client, 2, queue="just-now", due=1)
    async with client.database.connection() as connection:
        await connection.execute(LATE)
        await connection.execute(DISABLED)
        await connection.execute(DELETED)
    page = (await program.get("/?period=24h")).text
    shown = page[page.index("Needs attention") : page.index("Slowest actors")]
    assert '<a href="/queues/night%20mails">night mails</a>: 3 due' in shown
    assert '<a href="/schedules?show=late">1 schedule</a>' in shown
    assert '<a href="/deliveries/endpoints">1 webhook endpoint</a>' in shown
    assert shown.count("no worker") == 1
    assert "Nothing needs you" not in shown


@pytest.mark.parametrize("query", ["period=soon", "by=owner"])
async def test_what_is_not_offered_is_refused(program: httpx.AsyncClient, query: str) -> None:
    assert (await program.get(f"/?{query}")).status_code == 422
