"""Tests of what the search box suggests, without a browser."""

import html
import re

import httpx
import pytest

from runtime.client import Client
from tests.web.pages import rows
from web.pages.query import NAMES
from web.pages.suggestions import KINDS, MEANINGS


async def suggested(program: httpx.AsyncClient, typed: str) -> list[str]:
    answer = await program.get("/jobs/suggestions", params={"q": typed})
    assert answer.status_code == 200, answer.text
    return [html.unescape(text) for text in re.findall(r'data-text="([^"]*)"', answer.text)]


def test_every_name_of_the_grammar_is_explained() -> None:
    assert set(MEANINGS) == set(NAMES)


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("st", "state:"),
        ("state:fai", "state:failed "),
        ("actor:send_e", "actor:send_email "),
        ("actor:email", "actor:send_email "),
        ("mail", "actor:send_email "),
        ("fail", "state:failed "),
        ("queue:web-t", "queue:web-tests "),
        ("tag:nigh", "tag:nightly "),
        ("state:failed tag:to", 'state:failed tag:"to be seen" '),
        ('tag:"to b', 'tag:"to be seen" '),
        ("owner:Ad", 'owner:"Ada Byron" '),
        ("type:Val", "type:ValueError "),
        ("created:<", "created:<15m "),
        ("worker:bus", f"worker:{rows.BUSY} "),
    ],
)
async def test_a_word_is_completed(program: httpx.AsyncClient, client: Client, typed: str, becomes: str) -> None:
    """Given jobs, workers and errors, when something that exists is begun, then it is suggested as the grammar has it,
    after what stands before it."""
    await rows.workers(client)
    await rows.ended(client, 3)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set owner = 'Ada Byron', tags = array['nightly', 'to be seen']")
        await connection.execute(
            "insert into error_groups (fingerprint, error_type, pattern, sample_job, sample_attempt, first_seen_at,"
            " last_seen_at, occurrences) values ('f1', 'ValueError', 'no', gen_random_uuid(), 1, now(), now(), 1)"
        )
    assert becomes in await suggested(program, typed)


async def test_all_names_are_suggested_where_nothing_is_typed(program: httpx.AsyncClient) -> None:
    names = [f"{name}:" for name in NAMES]
    assert await suggested(program, "") == names
    assert await suggested(program, "state:failed ") == [f"state:failed {name}" for name in names]


@pytest.mark.parametrize("name", [*KINDS, "arg", "id"])
@pytest.mark.parametrize("typed", ["nobody-has-this", "%", "'", "no\0body", "\u00e4\U0001f600"])
async def test_what_does_not_exist_is_not_suggested(program: httpx.AsyncClient, name: str, typed: str) -> None:
    assert await suggested(program, f"{name}:{typed}") == []


async def test_only_some_of_many_owners_are_suggested(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs of 100 owners, then a dozen are suggested, and one in the middle is once its name is begun."""
    await rows.ended(client, 1_000)
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set owner = 'owner-' || lpad((n % 100)::text, 2, '0')"
            " from (select id, row_number() over () as n from jobs) numbered where jobs.id = numbered.id"
        )
    assert len(await suggested(program, "owner:")) == 12
    assert await suggested(program, "owner:owner-57") == ["owner:owner-57 "]
