"""The actor options that say how many of its jobs may start, and run, at once, and until when they are worth starting.

    @dramatiq.actor(concurrency=2)                          two at once, over all workers
    @dramatiq.actor(rate_limit="10/m")                      ten started in any minute; also /s, /h, /d
    @dramatiq.actor(concurrency=1, key="account")           one at once for each value of the argument `account`
    @dramatiq.actor(rate_limit="5/s", key=lambda url: host_of(url))
    @dramatiq.actor(expires=timedelta(minutes=5))           not started five minutes after it was due: cancelled

How the limits are kept: db/limits.py.
"""

import hashlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import orjson
import structlog
from dramatiq import Actor, Middleware

from errors import BadArguments, ConfigurationError

log = structlog.get_logger("callboard")

MOST = 100_000  # at once, or in a period
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}  # seconds
_RATE = re.compile(r"([1-9][0-9]*)/([smhd])")
_LONGEST_KEY = 200  # characters of a key's value; a longer one is replaced by its hash
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Limit:
    """What holds for all jobs with this key together."""

    key: str
    concurrency: int | None
    rate: int | None  # starts
    per: float | None  # seconds


@dataclass(frozen=True)
class _Declared:
    """What an actor was declared with."""

    concurrency: int | None
    rate: int | None
    per: float | None
    value: Callable[..., Any] | None  # of the arguments
    expires: float | None  # seconds

    @property
    def is_limited(self) -> bool:
        return self.concurrency is not None or self.rate is not None


class Limits(Middleware):
    """Knows the limits of the declared actors. They are checked when an actor is declared (`Broker.declare_actor`)."""

    def __init__(self) -> None:
        self._declared: dict[str, _Declared] = {}

    @property
    def actor_options(self) -> set[str]:
        return {"rate_limit", "concurrency", "key", "expires"}

    def declare(self, actor: Actor[Any, Any]) -> None:
        """Note an actor's options. Raises ConfigurationError for those that make no sense."""
        options = {name: actor.options[name] for name in self.actor_options if actor.options.get(name) is not None}
        rate, per = _rate(actor, options.get("rate_limit"))
        self._declared[actor.actor_name] = _Declared(
            _concurrency(actor, options.get("concurrency")), rate, per, _value(actor, options), _expires(actor, options)
        )

    def of(self, actor_name: str, args: tuple[Any, ...] | list[Any], kwargs: dict[str, Any]) -> Limit | None:
        """What holds for a job of that actor with these arguments; None is no limit.

        Arguments that the actor's `key` cannot make anything of share a key of their own: they do not escape.
        """
        declared = self._declared.get(actor_name)
        if declared is None or not declared.is_limited:
            return None
        try:
            key = _key(actor_name, declared, args, kwargs)
        except Exception as error:  # noqa: BLE001 (an actor's own function may raise anything)
            log.warning("an actor's key failed; the job counts for the key '?'", actor=actor_name, error=repr(error))
            key = f"{actor_name}:?"
        return Limit(key, declared.concurrency, declared.rate, declared.per)

    def check(self, actor: Actor[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises BadArguments if the actor's `key` can make nothing of these."""
        declared = self._declared[actor.actor_name]
        if declared.value is not None:
            try:
                _key(actor.actor_name, declared, args, kwargs)
            except Exception as error:
                raise BadArguments(
                    f"The key of {actor.actor_name} can make nothing of these arguments: {error!r}.", "key"
                ) from error

    def expires(self, actor: Actor[Any, Any], asked: timedelta | None = None) -> float | None:
        """Within how many seconds from when it is due a job must have started; None is at any time."""
        return asked.total_seconds() if asked is not None else self._declared[actor.actor_name].expires


def read_rate(text: str) -> tuple[int, float] | None:
    """How many may start in how many seconds: "10/m" is (10, 60.0). None if it says no such thing."""
    matched = _RATE.fullmatch(text)
    return None if matched is None or int(matched[1]) > MOST else (int(matched[1]), _PERIODS[matched[2]])


def _rate(actor: Actor[Any, Any], rate: Any) -> tuple[int | None, float | None]:
    if rate is None:
        return None, None
    read = read_rate(rate) if isinstance(rate, str) else None
    if read is None:
        raise ConfigurationError(
            f"{actor.actor_name}: rate_limit {rate!r} is not understood. Write how many may start in a second, minute, "
            f'hour or day: "10/s", "10/m", "10/h", "10/d"; at most {MOST}.'
        )
    return read


def _concurrency(actor: Actor[Any, Any], most: Any) -> int | None:
    if most is not None and not (type(most) is int and 0 < most <= MOST):
        raise ConfigurationError(
            f"{actor.actor_name}: concurrency {most!r} is not understood. Write how many may run at once, 1 to {MOST}; "
            "leave it out for no limit, and pause the actor to run none."
        )
    return most


def _expires(actor: Actor[Any, Any], options: dict[str, Any]) -> float | None:
    expires = options.get("expires")
    if expires is None:
        return None
    if not isinstance(expires, timedelta) or expires <= timedelta(0):
        raise ConfigurationError(
            f"{actor.actor_name}: expires {expires!r} is not understood. Write timedelta(minutes=5) for jobs that are "
            "to be cancelled when they have not started five minutes after they were due."
        )
    return expires.total_seconds()


def _value(actor: Actor[Any, Any], options: dict[str, Any]) -> Callable[..., Any] | None:
    """A function of the job's arguments that gives what its limits are counted by."""
    key = options.get("key")
    if key is None:
        return None
    if "rate_limit" not in options and "concurrency" not in options:
        raise ConfigurationError(
            f"{actor.actor_name}: key says what a limit is counted by, and there is none. "
            "Add rate_limit or concurrency, or leave it out."
        )
    if isinstance(key, str):
        return _argument(actor, key)
    if not callable(key):
        raise ConfigurationError(
            f"{actor.actor_name}: key {key!r} is neither the name of an argument nor a function of the arguments."
        )
    return cast("Callable[..., Any]", key)


def _argument(actor: Actor[Any, Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(actor.fn)
    names = [parameter.name for parameter in signature.parameters.values() if parameter.kind in _NAMED]
    if name not in names:
        raise ConfigurationError(
            f"{actor.actor_name}: key {name!r} is none of its arguments ({', '.join(names) or 'it has none'}). "
            "Name one of them, or give a function of the arguments."
        )

    def value(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments[name]

    return value


def _key(actor_name: str, declared: _Declared, args: tuple[Any, ...] | list[Any], kwargs: dict[str, Any]) -> str:
    if declared.value is None:
        return actor_name
    value = declared.value(*args, **kwargs)
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if len(text) > _LONGEST_KEY or "\0" in text or not text.isprintable():
        text = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{actor_name}:{text}"
