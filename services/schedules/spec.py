"""A schedule as people write it, and everything that can be wrong with it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from actors import broker
from errors import BadArguments
from runtime import enqueue, payload
from runtime.access import enqueued_by
from runtime.enqueue import Call
from runtime.options import Options
from runtime.periodic import MISFIRE_GRACE, Misfire
from runtime.triggers import Trigger, build, zone_of

# PostgreSQL's text takes no NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
LAST_MOMENT = datetime(2200, 1, 1, tzinfo=UTC)  # what schedules are told is before that
Moment = Annotated[AwareDatetime, Field(strict=False, ge=datetime(2000, 1, 1, tzinfo=UTC), lt=LAST_MOMENT)]
Overlap = Literal["allow", "skip", "queue_one", "cancel_previous"]
TEN_YEARS = 315_576_000  # seconds
TICK = timedelta(microseconds=1)
_TIMING = {"job_type", "schedule_config", "time_zone", "start_at", "end_at", "repeat"}


class ScheduleSpec(BaseModel):
    """A schedule. Only what differs from the defaults need be given."""

    model_config = ConfigDict(extra="forbid", strict=True, from_attributes=True)

    name: Text = Field(description="Unique among schedules.", examples=["Token Cleanup (Daily)"])
    description: str = Field("", max_length=2000, pattern=r"^[^\x00]*$")
    task_function: Text = Field(description="The actor's name.", examples=["cleanup_expired_tokens"])
    job_type: Text = Field(description="interval, cron, date or combination.", examples=["interval"])
    schedule_config: dict[str, Any] = Field(description="When, as the job type wants it.", examples=[{"hours": 24}])
    task_args: dict[str, Any] | list[Any] = Field(
        default_factory=dict[str, Any], description="The actor's arguments: by name (an object), or by place (a list)."
    )
    queue: Text | None = Field(None, description="Queue; default: the actor's.")
    priority: int | None = Field(None, ge=-(2**15), lt=2**15, description="Lower runs first; default: the actor's.")
    time_zone: Text = Field("UTC", description="Whose wall clock cron and dates are read on.")
    start_at: Moment | None = Field(None, description="No run before; intervals count from here.")
    end_at: Moment | None = Field(None, description="No run after.")
    jitter: float = Field(0, ge=0, le=86_400, description="Seconds by which, at random, a run may be later.")
    misfire: Misfire = Field("run_once", description="What becomes of runs that could not be made in time.")
    misfire_max: int = Field(1, ge=1, le=1_000, description="How many of them catch_up makes, the latest.")
    misfire_grace: float = Field(MISFIRE_GRACE, ge=0, le=TEN_YEARS, description="Seconds up to which a run is in time.")
    overlap: Overlap = Field("skip", description="What becomes of a run while the last one still goes.")
    repeat: int | None = Field(None, ge=1, lt=2**31, description="Runs in all; null: no limit.")
    shadow: bool = Field(False, description="Record what it would have run, and run nothing.")
    enabled: bool = True
    owner: Text | None = Field(None, description="Whose jobs they are.")

    @classmethod
    def parse(cls, fields: Any, path: str = "") -> Self:
        """From parsed JSON or YAML. Raises BadArguments, whose `path` names the first wrong field."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            at = _join(path, first["loc"][:1])
            raise BadArguments(f"{at or 'The schedule'}: {first['msg']}.", at) from None

    def changed(self, changes: dict[str, Any]) -> Self:
        """The same with some fields changed. Raises BadArguments."""
        return self.parse({**self.model_dump(), **changes})

    def times_differ(self, other: Self) -> bool:
        """Are they due at other times?"""
        return self.model_dump(include=_TIMING) != other.model_dump(include=_TIMING)

    def check(self, path: str = "") -> None:
        """Raises BadArguments for what no schedule can have; whether it is ever due, `first_run` says."""
        payload.check(self.schedule_config, _join(path, ["schedule_config"]))
        actor = self.call(path).actor
        if enqueued_by(actor) == "services":
            at = _join(path, ["task_function"])
            raise BadArguments(f"{at}: {actor.actor_name} cannot be scheduled: a service makes its arguments.", at)
        if self.queue is not None and self.queue not in broker.queues:
            known = ", ".join(sorted(broker.queues))
            at = _join(path, ["queue"])
            raise BadArguments(f"{at} {self.queue!r} is one no worker listens on. Declared queues: {known}.", at)
        if self.start_at and self.end_at and self.end_at <= self.start_at:
            at = _join(path, ["end_at"])
            raise BadArguments(f"{at} {self.end_at.isoformat()} is not after start_at.", at)

    def call(self, path: str = "") -> Call:
        """The actor with its arguments. Raises BadArguments."""
        at = _join(path, ["task_function"])
        if self.task_function not in broker.actors:
            known = ", ".join(sorted(broker.actors))
            raise BadArguments(f"{at}: no actor is named {self.task_function!r}. Declared actors: {known}.", at)
        args, kwargs = arguments(self.task_args)
        at = _join(path, ["task_args"])
        try:
            call = enqueue.bind(broker.actors[self.task_function], args, kwargs)
            payload.encode_arguments(args, kwargs)
        except BadArguments as error:
            raise BadArguments(f"{at}: {error}", at) from None
        return call

    def options(self, delay: timedelta | None = None) -> Options:
        return Options(queue=self.queue, priority=self.priority, owner=self.owner, delay=delay)

    def trigger(self, anchor: datetime, path: str = "") -> Trigger:
        """Raises BadArguments."""
        zone = zone_of(self.time_zone, _join(path, ["time_zone"]))
        return build(self.job_type, self.schedule_config, zone, anchor, _join(path, ["schedule_config"]))

    def first_run(self, anchor: datetime, now: datetime, path: str = "") -> datetime:
        """When it is due first from now on. Raises BadArguments if that is never."""
        trigger = self.trigger(anchor, path)
        after = max(now, self.start_at - TICK) if self.start_at else now
        due = trigger.next_after(after)
        if due is None or (self.end_at and due > self.end_at):
            at = _join(path, ["schedule_config"])
            end = f" before end_at, {self.end_at.isoformat()}" if due and self.end_at else ""
            raise BadArguments(f"{at} never comes due after {after.isoformat()}{end}.", at)
        return due


def arguments(task_args: dict[str, Any] | list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """By place, and by name."""
    return ((), task_args) if isinstance(task_args, dict) else (tuple(task_args), {})


def _join(path: str, steps: Any) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path + text if path else text.removeprefix(".")
