"""Whether the options that an actor is declared with make sense: else each of its jobs would find out, in a worker."""

import math
from typing import Any

from dramatiq import Actor

from errors import ConfigurationError

# Options that are numbers: what they may be, and what to write for "without limit".
_NUMBERS: dict[str, tuple[tuple[type, ...], str]] = {
    "max_retries": ((int, type(None)), "None"),
    "min_backoff": ((int, float), ""),
    "max_backoff": ((int, float), ""),
    "time_limit": ((int, float), 'float("inf")'),
    "soft_time_limit": ((int, float, type(None)), "None"),
}


def check_numbers(actor: Actor[Any, Any]) -> None:
    """Raises ConfigurationError, naming the actor, the option and what to write."""
    for name, (kinds, unlimited) in _NUMBERS.items():
        if name not in actor.options:
            continue
        value = actor.options[name]
        least = 1 if name.endswith("time_limit") else 0
        if type(value) in kinds and (value is None or (least <= value and not math.isnan(value))):
            continue
        unit = "a whole number" if int in kinds and float not in kinds else "a number of milliseconds"
        raise ConfigurationError(
            f"{actor.actor_name}: {name} {value!r} is not understood. Write {unit}, {least} or more"
            + (f"; {unlimited} for no limit." if unlimited else ".")
        )
