"""Options of actors that are numbers."""

from typing import Any

import dramatiq
import pytest

from actors import broker
from errors import ConfigurationError


async def declared_wrongly() -> None: ...


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"time_limit": None}, 'float("inf") for no limit'),
        ({"time_limit": "10s"}, "a number of milliseconds, 1 or more"),
        ({"time_limit": 0}, "1 or more"),
        ({"soft_time_limit": "1"}, "None for no limit"),
        ({"min_backoff": "1s"}, "a number of milliseconds, 0 or more"),
        ({"max_backoff": None}, "a number of milliseconds, 0 or more"),
        ({"max_backoff": float("nan")}, "a number of milliseconds, 0 or more"),
        ({"max_retries": -1}, "a whole number, 0 or more; None for no limit"),
        ({"max_retries": True}, "a whole number"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_with_advice(options: dict[str, Any], advice: str) -> None:
    """Given an option that no worker could make anything of, then the actor is refused where it is declared."""
    with pytest.raises(ConfigurationError) as raised:
        dramatiq.actor(actor_name="declared_wrongly", broker=broker, **options)(declared_wrongly)
    (name,) = options
    assert str(raised.value).startswith(f"declared_wrongly: {name} ")
    assert advice in str(raised.value)
    assert "declared_wrongly" not in broker.actors
