"""From an error to its problem document, for every error that a request can meet on purpose."""

import math
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from fastapi.exceptions import RequestValidationError
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisSlow
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from db.database import UNAVAILABLE, cause
from errors import BadArguments, BadRequest, CallboardError, ServerUnavailable, TooMany
from web.problem import FieldError, problem

RETRY_AFTER = "5"  # seconds
MOST_ERRORS = 20
LONGEST_PATH = 200

log = structlog.get_logger(__name__)


def refuse(error: CallboardError, headers: Mapping[str, str] | None = None) -> Response:
    """The problem document of an error of ours; one that is not the caller's doing is raised again."""
    if isinstance(error, ServerUnavailable):
        return unavailable(error)
    if error.status >= 500:
        raise error
    if isinstance(error, TooMany):
        headers = {"Retry-After": str(max(1, math.ceil(error.retry_after))), **(headers or {})}
    path = error.path if isinstance(error, BadArguments) else ""
    errors = [FieldError(path=_text(path), message=_text(str(error)))] if path else []
    return problem(error.status, _text(str(error)), _kind(type(error)), errors, headers)


def unavailable(error: Exception) -> Response:
    """A server is away: come back."""
    log.warning("server_unavailable", error=type(error).__name__, message=str(error))
    return problem(
        503,
        "PostgreSQL or Redis does not answer in time; /ready says which. Try again soon, "
        "a POST with a unique_key, since it is not known whether this one was carried out.",
        _kind(ServerUnavailable),
        headers={"Retry-After": RETRY_AFTER},
    )


async def _callboard_error(_: Request, error: CallboardError) -> Response:
    return refuse(error)


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    errors = [
        FieldError(path=_path(e["loc"]), message=_text(e["msg"].removeprefix("Value error, ")))
        for e in error.errors()[:MOST_ERRORS]
    ]
    return problem(422, "What was sent does not fit; `errors` says where.", _kind(BadRequest), errors)


async def _http_error(request: Request, error: HTTPException) -> Response:
    detail = error.detail
    if error.status_code == 404:
        detail = "There is nothing at this address. /api/v1/openapi.json lists what there is."
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here. The header Allow says what is."
    return problem(error.status_code, detail, headers=error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return unavailable(error)


async def _database_error(request: Request, error: DBAPIError) -> Response:
    """SQLAlchemy wraps most of what asyncpg says, under several names."""
    said = cause(error)
    if error.connection_invalidated or isinstance(said, UNAVAILABLE):
        return unavailable(error)
    if isinstance(said, asyncpg.DataError):
        return await _no_value(request, said)
    raise error


async def _no_value(request: Request, error: asyncpg.DataError) -> Response:
    """A value that PostgreSQL cannot have. What it says of it may quote a secret, so only its kind is logged."""
    log.warning("value_refused", error=type(error).__name__, method=request.method, path=request.url.path)
    return problem(
        422,
        "Something that was sent cannot be stored or looked for: it has a NUL character, or is a number or a time out "
        "of all range.",
        _kind(BadRequest),
    )


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    CallboardError: _callboard_error,
    RequestValidationError: _invalid,
    HTTPException: _http_error,
    DBAPIError: _database_error,
    asyncpg.DataError: _no_value,
    **dict.fromkeys((*UNAVAILABLE, PoolExhausted, RedisAway, RedisSlow), _unavailable),
}


def _kind(error: type[CallboardError]) -> str:
    """`UnknownActor` is `urn:callboard:error:unknown-actor`."""
    return "urn:callboard:error:" + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


def _path(location: Sequence[str | int]) -> str:
    """`("body", "tags", 3)` is `tags[3]`."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location[1:])
    return _text(path.removeprefix("."))[:LONGEST_PATH]


def _text(value: str) -> str:
    """What the caller sent may hold half of a surrogate pair, which no response can."""
    return value.encode("utf-8", "backslashreplace").decode()
