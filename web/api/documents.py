"""What the API takes and gives: each field that leaves is named here, and no other leaves."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

TEN_YEARS = 315_576_000  # seconds

# PostgreSQL's text takes no NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]

State = Literal["waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled"]


class NewJob(BaseModel):
    """A job to enqueue: which actor, with what, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    actor: Text = Field(description="Name of an actor declared in actors/.", examples=["send_email"])
    args: list[Any] = Field([], description="Its positional arguments.")
    kwargs: dict[Text, Any] = Field({}, description="Its keyword arguments.")
    queue: Text | None = Field(None, description="Queue; default: the actor's.")
    priority: int | None = Field(None, ge=-(2**15), lt=2**15, description="Lower runs first; default: the actor's.")
    delay: float | None = Field(None, ge=0, le=TEN_YEARS, description="Seconds to wait before it may run.")
    run_at: AwareDatetime | None = Field(
        None,
        strict=False,
        ge=datetime(2000, 1, 1, tzinfo=UTC),
        lt=datetime(2200, 1, 1, tzinfo=UTC),
        description="When it may run, with its UTC offset; not together with delay.",
    )
    max_retries: int | None = Field(None, ge=0, le=1_000_000, description="Attempts after the first.")
    time_limit: int | None = Field(None, ge=1, lt=2**31, description="Milliseconds one attempt may take.")
    unique_key: Text | None = Field(None, description="While a job with this key lives, no second one is enqueued.")
    tags: list[Text] = Field([], max_length=20, description="Words to find it by.")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.delay is not None and self.run_at is not None:
            raise ValueError("delay and run_at are both given. Leave one of them out.")
        return self


class JobFilter(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Jobs on a page.")
    before: str | None = Field(None, max_length=200, description="The `next` of the page before.")
    state: State | None = None
    actor: Text | None = None
    queue: Text | None = None


class ErrorDocument(BaseModel):
    """Why the latest attempt failed."""

    type: str
    message: str


class JobDocument(BaseModel):
    """A job, without what may be large."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    id: UUID
    actor: str
    queue: str
    priority: int
    state: State
    attempt: int
    max_attempts: int | None
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    unique_key: str | None
    tags: list[str] | None
    error: ErrorDocument | None


class EnqueuedDocument(JobDocument):
    """The answer to an enqueue: `created` is false where a job with this unique key lived already."""

    created: bool


class AttemptDocument(BaseModel):
    """One failed attempt."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    attempt: int
    started_at: datetime
    ended_at: datetime
    error_type: str
    error_message: str
    traceback: str


class JobDetail(JobDocument):
    """Everything of one job."""

    args: list[Any]
    kwargs: dict[str, Any]
    result: Any
    attempts: list[AttemptDocument]


class JobPage(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobDocument]
    next: str | None = Field(description="Send it as `before` to get the page after this one; null on the last.")
