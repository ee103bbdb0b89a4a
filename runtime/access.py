"""The actor option that says whose hands may write the arguments of its jobs.

    @dramatiq.actor(enqueued_by="anyone")      whoever may enqueue (default)
    @dramatiq.actor(enqueued_by="operators")   people and keys that operate: it acts on what belongs to all
    @dramatiq.actor(enqueued_by="services")    nobody: a service makes them of what it has checked

It holds for the API, the console and schedules. Code, and who is at the command line, are trusted.
"""

from typing import Any, Literal, get_args

from dramatiq import Actor, Middleware
from dramatiq.middleware import MiddlewareError

from errors import Forbidden

EnqueuedBy = Literal["anyone", "operators", "services"]


class Access(Middleware):
    @property
    def actor_options(self) -> set[str]:
        return {"enqueued_by"}

    def before_declare_actor(self, broker: Any, actor: Actor[Any, Any]) -> None:
        whose, known = enqueued_by(actor), get_args(EnqueuedBy)
        if whose not in known:
            raise MiddlewareError(f"enqueued_by={whose!r} of {actor.actor_name} is none of {', '.join(known)}.")


def enqueued_by(actor: Actor[Any, Any]) -> EnqueuedBy:
    """Who may write the arguments of its jobs."""
    found: EnqueuedBy = actor.options.get("enqueued_by", "anyone")
    return found


def require_written_by_people(actor: Actor[Any, Any]) -> None:
    """Raises Forbidden for an actor whose arguments only a service makes."""
    if enqueued_by(actor) == "services":
        raise Forbidden(
            f"Nobody writes the arguments of {actor.actor_name}: Callboard does, of what was asked for elsewhere. "
            "A job of it can be run again with those that it has."
        )
