"""What cannot be done as asked is refused at once, with advice, and nothing is written or sent."""

import inspect
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dramatiq
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from errors import BadArguments, BadRequest, CallboardError, TooLarge, UnknownActor
from runtime.client import Client
from services.jobs import Options, call, enqueue, enqueue_by_name, enqueue_many, enqueue_with
from tests.runtime.observing import row, value, waiting
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
anything = job_of("async", "take_anything")


@pytest_asyncio.fixture
async def session(client: Client) -> AsyncIterator[AsyncSession]:
    """A session that is committed at the end of the test, when there must still be no job."""
    async with client.session() as session:
        yield session
        await session.commit()
    await client.outbox.drain()
    assert await value(client, "select count(*) from jobs") == 0
    assert await waiting(client, "stage-async") == []


def deep(levels: int) -> Any:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    return nested


def endless() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


BAD_VALUES: dict[str, tuple[Any, str]] = {
    "NaN": (float("nan"), r"args\[0\] is nan, which JSON does not have. Pass None"),
    "infinity": (float("inf"), r"args\[0\] is inf.* Pass None"),
    "NUL": ("a\0b", r"args\[0\] contains a NUL character.* Remove it"),
    "a NUL in a key": ({"a\0": 1}, r"NUL"),
    "half a surrogate pair": ("\ud800", r"half of a surrogate pair"),
    "a set": ({1, 2}, r"args\[0\] is a set.* Pass text, numbers, lists and dicts"),
    "a date": (datetime(2026, 1, 1, tzinfo=UTC), r"args\[0\] is a datetime.* isoformat"),
    "bytes": (b"x", r"args\[0\] is a bytes"),
    "a Decimal": (Decimal(1), r"args\[0\] is a Decimal"),
    "an object": (object(), r"args\[0\] is a object"),
    "a number as key": ({1: 2}, r"has the key 1; JSON keys are strings. Use str\(key\)"),
    "more than 64 bits": (2**63, r"integer of more than 64 bits. Pass it as a string"),
    "less than -64 bits": (-(2**63) - 1, r"more than 64 bits"),
    "33 levels": (deep(33), r"nested more than 32 levels deep. Flatten it"),
    "no end": (endless(), r"nested more than 32 levels"),
    "a wrong one deep inside": ({"a": [0, {"b": {3}}]}, r"args\[0\]\.a\[1\]\.b is a set"),
}


@pytest.mark.parametrize("what", BAD_VALUES)
async def test_arguments_that_are_not_json_are_refused(session: AsyncSession, what: str) -> None:
    bad, advice = BAD_VALUES[what]
    with pytest.raises(BadArguments, match=advice):
        await enqueue(session, echo, bad)


@pytest.mark.parametrize("what", BAD_VALUES)
async def test_in_bulk_one_bad_argument_refuses_all(session: AsyncSession, what: str) -> None:
    with pytest.raises(BadArguments):
        await enqueue_many(session, [call(echo, 1), call(echo, BAD_VALUES[what][0]), call(echo, 2)])


async def test_a_wrong_argument_is_named(session: AsyncSession) -> None:
    with pytest.raises(BadArguments) as caught:
        await enqueue_by_name(session, "echo_async", [], {"value": {"items": [1, {"price": float("nan")}]}})
    assert caught.value.path == "value.items[1].price"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_a_keyword_that_is_no_text_is_refused(session: AsyncSession, name: str) -> None:
    with pytest.raises(BadArguments):
        await enqueue_by_name(session, "take_anything_async", [], {name: 1})


@pytest.mark.parametrize("values", [{"args": ["x" * 262_141]}, {"kwargs": {"value": "é" * 131_072}}])
async def test_arguments_over_256_kib_are_refused(session: AsyncSession, values: dict[str, Any]) -> None:
    with pytest.raises(TooLarge, match="pass a reference") as caught:
        await enqueue_by_name(session, "echo_async", values.get("args", []), values.get("kwargs", {}))
    assert caught.value.limit == 262_144 < caught.value.size
    assert caught.value.status == 413


async def test_an_unknown_actor_is_refused_and_the_known_ones_named(session: AsyncSession) -> None:
    with pytest.raises(UnknownActor, match=r"No actor is named 'nobody'. Declared actors: .*echo_async") as caught:
        await enqueue_by_name(session, "nobody", [], {})
    assert caught.value.name == "nobody"


BAD_CALLS: list[tuple[list[Any], dict[str, Any]]] = [
    ([1, 2], {}),
    ([], {"valeu": 1}),
    ([1], {"value": 2}),
]


@pytest.mark.parametrize(("args", "kwargs"), BAD_CALLS)
async def test_arguments_that_do_not_fit_are_refused(
    session: AsyncSession, args: list[Any], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(BadArguments, match=r"echo_async\(value.*twice.*\).* cannot be called so"):
        await enqueue_by_name(session, "echo_async", args, kwargs)


BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "delay and run_at": ({"delay": timedelta(1), "run_at": datetime.now(UTC)}, "Give delay or run_at, not both"),
    "run_at without a zone": ({"run_at": datetime(2030, 1, 1)}, "run_at has no time zone. Use"),  # noqa: DTZ001
    "a delay of ages": ({"delay": timedelta(days=4_000_000)}, "delay"),
    "the longest delay": ({"delay": timedelta.max}, "delay"),
    "priority too low": ({"priority": 32_768}, "priority 32768 is not within -32768 and 32767"),
    "priority too high": ({"priority": -32_769}, "priority"),
    "negative retries": ({"max_retries": -1}, "max_retries -1 is not within"),
    "endless retries": ({"max_retries": 2**31}, "max_retries"),
    "the most retries": ({"max_retries": 2**31 - 1}, "max_retries"),
    "negative limit": ({"time_limit": -1}, "time_limit"),
    "negative backoff": ({"min_backoff": -1}, "min_backoff"),
    "an empty key": ({"unique_key": ""}, "unique_key must have between 1 and 500 characters"),
    "a long key": ({"unique_key": "x" * 501}, "unique_key must have between 1 and 500"),
    "a key with NUL": ({"unique_key": "a\0"}, "unique_key contains a NUL"),
    "a key that is no text": ({"unique_key": "\udfff"}, "unique_key contains half of a surrogate pair"),
    "an owner with NUL": ({"owner": "\0"}, "owner contains a NUL"),
    "an empty tag": ({"tags": ["a", ""]}, "tags must have"),
    "an unknown queue": ({"queue": "nowhere"}, "No worker listens on the queue 'nowhere'. Declared queues: .*stage-"),
}


@pytest.mark.parametrize("what", BAD_OPTIONS)
async def test_options_that_make_no_sense_are_refused(session: AsyncSession, what: str) -> None:
    options, advice = BAD_OPTIONS[what]
    with pytest.raises(BadRequest, match=advice):
        await enqueue_with(session, Options(**options), echo)


async def test_every_refusal_has_a_status_of_the_400s() -> None:
    for error in (BadRequest, BadArguments, TooLarge, UnknownActor):
        assert issubclass(error, CallboardError)
        assert 400 <= error.status < 500


GOOD_VALUES: list[Any] = [
    2**63 - 1, -(2**63), 1.5, "", "\u0001", "\U0001f3ad", "</script>", deep(31), {"": None}, [[], {}], True, -0.0,
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD_VALUES, ids=repr)
async def test_what_is_json_arrives_as_it_was(client: Client, good: Any) -> None:
    async with client.session() as session:
        enqueued = await enqueue(session, anything, good)
        await session.commit()
    assert (await row(client, enqueued.id)).args == [good]


def none() -> None: ...
def one_of_two(a: int, b: int = 0) -> None: ...
def only_by_place(a: int, b: int, /) -> None: ...
def any_number(a: int, *more: int) -> None: ...
def needs_a_name(a: int = 0, *, name: str) -> None: ...
def may_have_a_name(a: int, *, name: str = "", **more: int) -> None: ...


@pytest.mark.parametrize("function", [none, one_of_two, only_by_place, any_number, needs_a_name, may_have_a_name])
@pytest.mark.parametrize("count", range(5))
def test_arguments_fit_as_python_says(function: Callable[..., None], count: int) -> None:
    """Given any signature and so many arguments by their place, then they are refused if, and only if, a call with them
    would be."""
    actor = dramatiq.actor(actor_name=f"bad_input_{function.__name__}_{count}", broker=broker)(function)
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        with pytest.raises(BadArguments):
            call(actor, *range(count))
    else:
        assert call(actor, *range(count)).args == tuple(range(count))
