"""What an actor takes, as fields of a form made from its type hints, and a filled-in form read back."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal

import orjson
from dramatiq import Actor
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from runtime.catalogue import hints_of

Kind = Literal["text", "integer", "number", "boolean", "choice", "words", "json"]

# How a value of the kind is written, in words.
WRITTEN = {
    "text": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "choice": "one of these", "words": "text, or JSON that begins with [ or {", "json": "JSON",
}  # fmt: skip
_SCALARS: dict[Any, Kind] = {str: "text", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True)
class Parameter:
    """A parameter, and how its value is typed. "words" is text that may also be a JSON array or object."""

    name: str
    kind: Kind
    hint: str  # as it is written in the code
    is_required: bool
    is_nullable: bool
    default: str  # in words; empty without one
    choices: tuple[str, ...] = ()
    how: Literal["positional", "either", "named", "rest", "other"] = "either"  # "rest": *args, "other": **kwargs


@dataclass(frozen=True)
class Wrong:
    """What cannot be read: messages by the parameters' names."""

    messages: dict[str, str]


@dataclass(frozen=True)
class Arguments:
    args: list[Any]
    kwargs: dict[str, Any]


_HOW: dict[Any, Literal["positional", "either", "named", "rest", "other"]] = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.KEYWORD_ONLY: "named",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.VAR_KEYWORD: "other",
}


def parameters(actor: Actor[Any, Any]) -> list[Parameter]:
    """In the order of the signature."""
    found = hints_of(actor)
    declared = inspect.signature(actor.fn).parameters.values()
    return [_parameter(one, found.get(one.name, Any)) for one in declared]


def read(actor: Actor[Any, Any], typed: Mapping[str, str]) -> Arguments | Wrong:
    """The arguments, from what was typed for each parameter; what is left empty takes its default, or null."""
    found = hints_of(actor)
    signature = inspect.signature(actor.fn).parameters
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for one in parameters(actor):
        try:
            value = _value(one, found.get(one.name, Any), typed.get(one.name, ""))
        except ValueError as error:
            wrong[one.name] = str(error)
        else:
            if value is not _LEFT_OUT:
                values[one.name] = value
    return Wrong(wrong) if wrong else _bound(parameters(actor), values, signature)


_LEFT_OUT = object()


def _bound(
    declared: Sequence[Parameter], values: dict[str, Any], signature: Mapping[str, inspect.Parameter]
) -> Arguments | Wrong:
    """By name, save where only a place will do: what comes before a value for *args has one, left out or not."""
    rest: list[Any] = next((values.pop(one.name, []) for one in declared if one.how == "rest"), [])
    other: dict[str, Any] = next((values.pop(one.name, {}) for one in declared if one.how == "other"), {})
    placed = [one for one in declared if one.how == "positional" or (rest and one.how == "either")]
    args: list[Any] = []
    for one in placed:
        if one.name in values:
            args += [signature[place.name].default for place in placed[len(args) : placed.index(one)]]
            args.append(values.pop(one.name))
    if rest:
        args += [signature[place.name].default for place in placed[len(args) :]]
    doubled = other.keys() & {one.name for one in declared}
    if doubled:
        name = next(one.name for one in declared if one.how == "other")
        return Wrong({name: f"{', '.join(sorted(doubled))} has a field of its own."})
    return Arguments([*args, *rest], values | other)


def _parameter(one: inspect.Parameter, hint: Any) -> Parameter:
    how = _HOW[one.kind]
    if how in ("rest", "other"):
        written = f"*{one.name}: a JSON array" if how == "rest" else f"**{one.name}: a JSON object"
        return Parameter(one.name, "json", written, is_required=False, is_nullable=False, default="nothing", how=how)
    plain, is_nullable = _without_none(hint)
    kind, choices = _kind(plain)
    default = "" if one.default is one.empty else _short(one.default)
    written = "" if one.annotation is one.empty else inspect.formatannotation(one.annotation).replace("typing.", "")
    return Parameter(
        one.name, kind, written, is_required=one.default is one.empty, is_nullable=is_nullable, default=default,
        choices=choices, how=how,
    )  # fmt: skip


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`str | None` is `str`, and may be null."""
    if typing.get_origin(hint) not in (typing.Union, UnionType):
        return hint, False
    others = tuple(part for part in typing.get_args(hint) if part is not NoneType)
    if len(others) == len(typing.get_args(hint)):
        return hint, False
    return typing.Union[others], True  # noqa: UP007 (there may be any number of them)


def _kind(hint: Any) -> tuple[Kind, tuple[str, ...]]:
    if typing.get_origin(hint) is Literal:
        return "choice", tuple(map(str, typing.get_args(hint)))
    if hint in _SCALARS:
        return _SCALARS[hint], ()
    if str in typing.get_args(hint) and typing.get_origin(hint) in (typing.Union, UnionType):
        return "words", ()
    return ("words" if hint is Any or _is_written_as_text(hint) else "json"), ()


def _is_written_as_text(hint: Any) -> bool:
    """As UUIDs, dates and paths are in JSON."""
    adapter = _adapter(hint)
    return adapter is not None and adapter.json_schema().get("type") == "string"


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """None for a class of the actor's own: anything may be sent."""
    try:
        adapter = TypeAdapter(hint)
        adapter.json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError):
        return None
    return adapter


def _value(one: Parameter, hint: Any, text: str) -> Any:
    """Raises ValueError, its message for people."""
    if not text.strip():
        if one.is_required and not one.is_nullable:
            raise ValueError("It has no default: fill it in.")
        return None if one.is_required else _LEFT_OUT
    value = _plain(one, hint, text)
    if one.how in ("rest", "other"):
        hint = list[hint] if one.how == "rest" else dict[str, hint]
    adapter = _adapter(hint)
    if adapter is not None:
        try:
            adapter.validate_json(orjson.dumps(value), strict=True)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{problem['msg']}.") from None
        except orjson.JSONEncodeError as error:  # an integer of more than 64 bits
            raise ValueError(f"{error}.") from None
    return value


def _plain(one: Parameter, hint: Any, text: str) -> Any:
    if one.kind == "text":
        return text
    if one.kind == "choice":
        return _chosen(one, hint, text)
    if one.kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError("Choose true or false.")
        return text == "true"
    if one.kind in ("integer", "number"):
        return _number(one.kind, text.strip())
    if one.kind == "words" and text.lstrip()[0] not in "[{":
        return text
    return _of_json(text)


def _chosen(one: Parameter, hint: Any, text: str) -> Any:
    values = {str(value): value for value in typing.get_args(_without_none(hint)[0])}
    if text not in values:
        raise ValueError(f"Choose one of {', '.join(one.choices)}.")
    return values[text]


def _number(kind: Kind, text: str) -> int | float:
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not {WRITTEN[kind]}.") from None


def _of_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"This is not JSON: {error}.") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
