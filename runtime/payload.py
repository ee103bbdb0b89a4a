"""Arguments and results as JSON: checked before anything is written, so that what is stored can always be read."""

import math
from typing import Any

import orjson

from errors import BadArguments, TooLarge

LIMIT = 256 * 1024  # bytes of JSON, for arguments and for a result
DEPTH = 32
_INT64 = 2**63


def check(value: Any, path: str, depth: int = DEPTH) -> None:
    """Raise BadArguments, naming the path, unless `value` is JSON that every reader understands the same way.

    That excludes NaN and infinities (RFC 8259, section 6), keys that are not strings, integers over 64 bits,
    NUL and lone surrogates in text (PostgreSQL takes neither), and nesting over 32 levels.
    """
    kind = type(value)
    if kind is dict:
        _check_depth(path, depth)
        for key, item in value.items():
            if type(key) is not str:
                raise BadArguments(f"{path} has the key {key!r}; JSON keys are strings. Use str(key).", path)
            _check_text(key, path)
            check(item, f"{path}.{key}", depth - 1)
    elif kind is list or kind is tuple:
        _check_depth(path, depth)
        for index, item in enumerate(value):
            check(item, f"{path}[{index}]", depth - 1)
    elif value is not None and kind is not bool:
        _check_scalar(value, path)


def _check_scalar(value: Any, path: str) -> None:
    kind = type(value)
    if kind is str:
        _check_text(value, path)
    elif kind is int:
        if not -_INT64 <= value < _INT64:
            raise BadArguments(f"{path} is an integer of more than 64 bits. Pass it as a string.", path)
    elif kind is float:
        if not math.isfinite(value):
            raise BadArguments(f"{path} is {value}, which JSON does not have. Pass None instead.", path)
    else:
        raise BadArguments(
            f"{path} is a {kind.__name__}, which JSON does not have. "
            "Pass text, numbers, lists and dicts; for a date its isoformat(), for a row its id.",
            path,
        )


def _check_depth(path: str, depth: int) -> None:
    if depth == 0:
        raise BadArguments(f"{path} is nested more than {DEPTH} levels deep. Flatten it.", path)


def _check_text(value: str, path: str) -> None:
    if "\0" in value:
        raise BadArguments(f"{path} contains a NUL character, which PostgreSQL cannot store. Remove it.", path)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadArguments(f"{path} contains half of a surrogate pair: it is not valid Unicode.", path) from None


def encode(value: Any) -> str:
    """Checked values as JSON text."""
    return orjson.dumps(value).decode()


def encode_arguments(args: tuple[Any, ...] | list[Any], kwargs: dict[str, Any]) -> tuple[str, str]:
    """Arguments as two JSON texts. Raises BadArguments or TooLarge."""
    for index, value in enumerate(args):
        check(value, f"args[{index}]")
    for name, value in kwargs.items():
        _check_text(name, "the name of an argument")
        check(value, name)
    texts = encode(args), encode(kwargs)
    _check_size("The arguments", *texts)
    return texts


def encode_result(value: Any) -> str | None:
    """What an actor returned as JSON text, None staying None. Raises BadArguments or TooLarge."""
    if value is None:
        return None
    check(value, "the result")
    text = encode(value)
    _check_size("The results", text)
    return text


def encode_kept(value: Any, what: str) -> str:
    """What a job keeps for later (a checkpoint, a step's result) as JSON text. Raises BadArguments or TooLarge."""
    check(value, what)
    text = encode(value)
    _check_size(f"The data of {what}", text)
    return text


def _check_size(what: str, *texts: str) -> None:
    if sum(map(len, texts)) * 4 <= LIMIT:  # UTF-8 takes four bytes for a character at most
        return
    size = sum(len(text.encode()) for text in texts)
    if size > LIMIT:
        raise TooLarge(what, size, LIMIT)
