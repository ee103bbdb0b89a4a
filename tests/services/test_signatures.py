"""Tests of forms made from type hints, and of reading them."""

import uuid
from typing import Any, Literal

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from hypothesis import given
from hypothesis import strategies as st

from services import signatures
from services.signatures import Arguments, Wrong


def actor(function: Any) -> Any:
    """An actor of no broker of ours: only its signature is looked at."""
    return dramatiq.Actor(
        function, broker=StubBroker(), actor_name=function.__name__, queue_name="q", priority=0, options={}
    )


def order(
    size: Literal["small", "large"], count: int, price: float, note: str | None = None, *,
    details: dict[str, Any] | None = None, to: str | list[str] = "nobody", urgent: bool = False,
    grade: Literal[1, 2] = 1,
) -> None:  # fmt: skip
    pass


def place(first: int, /, second: str = "s", *rest: int, third: str = "t", **other: bool) -> None:
    pass


def odd(key: uuid.UUID, anything, parent: int | None) -> None:  # type: ignore[no-untyped-def]
    pass


NEEDED = {"size": "large", "count": "3", "price": "4.5"}


def test_a_field_for_each_parameter() -> None:
    kinds = {one.name: one.kind for one in signatures.parameters(actor(order))}
    assert kinds == {
        "size": "choice", "count": "integer", "price": "number", "note": "text", "details": "json", "to": "words",
        "urgent": "boolean", "grade": "choice",
    }  # fmt: skip
    needed = [one.name for one in signatures.parameters(actor(order)) if one.is_required]
    assert needed == ["size", "count", "price"]


@pytest.mark.parametrize(
    ("typed", "kwargs"),
    [
        ({}, {}),
        ({"note": "two\nlines"}, {"note": "two\nlines"}),
        ({"details": '{"a": [1]}', "urgent": "true"}, {"details": {"a": [1]}, "urgent": True}),
        ({"to": "ada@example.com"}, {"to": "ada@example.com"}),
        ({"to": '["ada", "bob"]'}, {"to": ["ada", "bob"]}),
        ({"grade": "2"}, {"grade": 2}),
    ],
)
def test_what_is_typed_becomes_arguments(typed: dict[str, str], kwargs: dict[str, Any]) -> None:
    read = signatures.read(actor(order), NEEDED | typed)
    assert read == Arguments([], {"size": "large", "count": 3, "price": 4.5} | kwargs)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("size", "", "fill it in"), ("size", "huge", "Choose one of small, large"), ("count", "many", "whole number"),
        ("count", "1.5", "whole number"), ("price", "nan", "number"), ("details", "{", "not JSON"),
        ("details", "[1]", "object"), ("to", "[1]", "string"), ("urgent", "maybe", "true or false"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(name: str, text: str, says: str) -> None:
    read = signatures.read(actor(order), NEEDED | {name: text})
    assert isinstance(read, Wrong)
    assert list(read.messages) == [name]
    assert says in read.messages[name]


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ({"first": "1"}, Arguments([1], {})),
        ({"first": "1", "third": "x"}, Arguments([1], {"third": "x"})),
        ({"first": "1", "rest": "[2, 3]"}, Arguments([1, "s", 2, 3], {})),
        ({"first": "1", "second": "b", "rest": "[2]"}, Arguments([1, "b", 2], {})),
        ({"first": "1", "other": '{"a": true}'}, Arguments([1], {"a": True})),
    ],
)
def test_arguments_that_have_a_place(typed: dict[str, str], arguments: Arguments) -> None:
    assert signatures.read(actor(place), typed) == arguments


@pytest.mark.parametrize("typed", [{"rest": '["a"]'}, {"rest": "{}"}, {"other": "[]"}, {"other": '{"third": true}'}])
def test_a_rest_that_does_not_fit(typed: dict[str, str]) -> None:
    assert isinstance(signatures.read(actor(place), {"first": "1"} | typed), Wrong)


def test_types_of_other_libraries_and_none_at_all() -> None:
    key = str(uuid.uuid4())
    assert signatures.read(actor(odd), {"key": key, "anything": '{"a": 1}'}) == Arguments(
        [], {"key": key, "anything": {"a": 1}, "parent": None}
    )
    assert isinstance(signatures.read(actor(odd), {"key": "no", "anything": "x"}), Wrong)


@given(st.dictionaries(st.sampled_from([*NEEDED, "note", "details", "to", "urgent", "grade"]), st.text()))
def test_nothing_that_can_be_typed_fails(typed: dict[str, str]) -> None:
    """Whatever is typed, the answer is arguments that fit, or what is wrong with which field."""
    read = signatures.read(actor(order), typed)
    if isinstance(read, Wrong):
        assert set(read.messages) <= {one.name for one in signatures.parameters(actor(order))}
    else:
        order(*read.args, **read.kwargs)
