"""The options that limit an actor are checked when it is declared; what a job is counted by."""

from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from errors import BadArguments, ConfigurationError
from runtime.client import Client
from runtime.limited import Limit, Limits
from services.jobs import call, enqueue_many
from tests.runtime.limited_actors import broker


def declared(function: Any, **options: Any) -> Limits:
    """The limits of an actor that no worker of the tests knows."""
    limits = Limits()
    limits.declare(dramatiq.Actor(function, broker=Unregistered(), actor_name="a", queue_name="q", priority=0,
                                  options=options))  # fmt: skip
    return limits


class Unregistered(StubBroker):
    """A broker that forgets the actors declared on it."""

    def declare_actor(self, actor: dramatiq.Actor[Any, Any]) -> None:
        pass


def send(to: str, text: str = "", *, account: Any = None) -> None:
    """What the actors do."""


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"rate_limit": "10"}, '"10/m"'),
        ({"rate_limit": "0/s"}, '"10/m"'),
        ({"rate_limit": "10/w"}, '"10/m"'),
        ({"rate_limit": 10}, '"10/m"'),
        ({"rate_limit": "100001/d"}, "at most 100000"),
        ({"concurrency": 0}, "pause the actor"),
        ({"concurrency": True}, "how many may run at once"),
        ({"concurrency": "2"}, "how many may run at once"),
        ({"concurrency": 1, "key": "nothing"}, "none of its arguments (to, text, account)"),
        ({"concurrency": 1, "key": 3}, "a function of the arguments"),
        ({"key": "to"}, "Add rate_limit or concurrency"),
        ({"expires": 30}, "timedelta(minutes=5)"),
        ({"expires": timedelta(0)}, "timedelta(minutes=5)"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_advice(options: dict[str, Any], advice: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        declared(send, **options)
    assert str(raised.value).startswith("a: ")
    assert advice in str(raised.value)


def test_the_broker_refuses_them_when_the_actor_is_declared() -> None:
    with pytest.raises(ConfigurationError, match="rate_limit 'fast'"):
        dramatiq.actor(actor_name="limits_wrong", rate_limit="fast")(send)
    assert "limits_wrong" not in broker.actors


@pytest.mark.parametrize(
    ("key", "args", "kwargs", "expected"),
    [
        (None, ("ada",), {}, "a"),
        ("to", ("ada",), {}, "a:ada"),
        ("to", (), {"to": "ada"}, "a:ada"),
        ("account", ("ada",), {}, "a:null"),
        ("account", ("ada",), {"account": 7}, "a:7"),
        ("account", ("ada",), {"account": {"b": 1, "a": 2}}, 'a:{"a":2,"b":1}'),
        (lambda to, **_: to.partition("@")[2], ("ada@example.com",), {"text": "x"}, "a:example.com"),
    ],
)
def test_what_a_job_is_counted_by(key: Any, args: tuple[Any, ...], kwargs: dict[str, Any], expected: str) -> None:
    limits = declared(send, concurrency=2, rate_limit="10/m", **({"key": key} if key else {}))
    assert limits.of("a", args, kwargs) == Limit(expected, 2, 10, 60.0)


def test_a_long_key_is_replaced_by_its_hash() -> None:
    limits = declared(send, concurrency=1, key="to")
    one, other = limits.of("a", ("x" * 5_000,), {}), limits.of("a", ("x" * 5_000 + "y",), {})
    assert one is not None
    assert other is not None
    assert len(one.key) == len(other.key) == 66
    assert one.key != other.key


def test_an_actor_without_limits_has_none() -> None:
    assert declared(send, expires=timedelta(minutes=1)).of("a", ("ada",), {}) is None


def test_arguments_that_the_key_cannot_read_do_not_escape() -> None:
    limit = declared(send, concurrency=1, key=lambda to: to["domain"]).of("a", ("ada",), {})
    assert limit is not None
    assert limit.key == "a:?"


async def test_enqueueing_such_arguments_is_refused(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(BadArguments, match="limits_picky can make nothing of these arguments"):
            await enqueue_many(session, [call(broker.actors["limits_picky"], 3)])
