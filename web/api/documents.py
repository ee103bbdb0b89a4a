"""What the API takes and gives: each field that leaves is named here, and no other leaves."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from db.models import Job, JobAttempt
from services import control, jobs, search
from services.callers import Caller
from services.masking import masking
from services.pauses import Span

TEN_YEARS = 315_576_000  # seconds
YEAR = 366 * 86_400  # seconds
MOST_AT_ONCE = 5_000

# PostgreSQL's text takes no NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
Milliseconds = Annotated[int, Field(ge=1, lt=2**31)]


def _masked(value: Any) -> Any:
    return masking().value(value)


T = TypeVar("T")
# Of what leaves: a field that may hold secrets.
Masked = Annotated[T, AfterValidator(_masked)]

State = Literal["waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled"]


class Given(BaseModel):
    """Something that a caller sends: no field that we do not know, and none of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewJob(Given):
    """A job to enqueue: which actor, with what, and how."""

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
    expires: float | None = Field(
        None, gt=0, le=TEN_YEARS, description="Seconds after it was due; cancelled if it has not started by then."
    )
    max_retries: int | None = Field(None, ge=0, le=1_000_000, description="Attempts after the first.")
    min_backoff: Milliseconds | None = Field(None, description="Milliseconds until the first retry.")
    max_backoff: Milliseconds | None = Field(None, description="Most milliseconds between two attempts.")
    time_limit: Milliseconds | None = Field(None, description="Milliseconds one attempt may take.")
    soft_time_limit: Milliseconds | None = Field(None, description="Milliseconds after which it is told to finish.")
    unique_key: Text | None = Field(None, description="While a job with this key lives, no second one is enqueued.")
    tags: list[Text] = Field([], max_length=20, description="Words to find it by.")
    metadata: dict[Text, Any] | None = Field(None, description="Anything of yours, kept beside the job, up to 256 KiB.")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.delay is not None and self.run_at is not None:
            raise ValueError("delay and run_at are both given. Leave one of them out.")
        return self

    def options(self, owner: str) -> jobs.Options:
        """How the job is to run. Raises BadRequest."""
        return jobs.Options(
            queue=self.queue,
            priority=self.priority,
            delay=None if self.delay is None else timedelta(seconds=self.delay),
            run_at=self.run_at,
            expires=None if self.expires is None else timedelta(seconds=self.expires),
            max_retries=self.max_retries,
            min_backoff=self.min_backoff,
            max_backoff=self.max_backoff,
            time_limit=self.time_limit,
            soft_time_limit=self.soft_time_limit,
            unique_key=self.unique_key,
            tags=tuple(self.tags),
            owner=owner,
        )


class NewJobs(Given):
    """Many jobs: all of them are enqueued, or none."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Why(Given):
    """Why somebody does it: it stands in the audit."""

    reason: Reason | None = None


class Lasting(Given):
    """For how long something is to stand still: without a time, until somebody lets it go on."""

    until: AwareDatetime | None = Field(
        None,
        strict=False,
        lt=datetime(2200, 1, 1, tzinfo=UTC),
        description="When it goes on by itself, with its UTC offset.",
    )
    lasts: float | None = Field(
        None, gt=0, le=YEAR, description="Seconds after which it does; not together with until."
    )

    def span(self) -> Span:
        """Raises BadRequest."""
        return Span(self.until, None if self.lasts is None else timedelta(seconds=self.lasts))


class Move(Why):
    """Where jobs are to stand: in another queue, with another priority, or both."""

    to_queue: Text | None = Field(None, description="Of a move: the queue; default: the one that a job is in.")
    to_priority: int | None = Field(
        None, ge=-(2**15), lt=2**15, description="Of a move: lower runs first; default: what a job has."
    )

    def place(self, caller: Caller) -> control.Place:
        """Raises Forbidden if the caller's key is not for that queue."""
        if self.to_queue is not None:
            caller.require_queue(self.to_queue)
        return control.Place(self.to_queue, self.to_priority)


class NewArguments(Given):
    """Others than the job was enqueued with."""

    args: list[Any] = []
    kwargs: dict[Text, Any] = {}


class Retry(Why):
    """How a job is to run again."""

    arguments: NewArguments | None = Field(
        None, description="Others than it had; both are replaced. What is masked, as it was shown, stays as it is."
    )
    from_start: bool = Field(False, description="Forget its checkpoint and its steps' results.")


class Copy(Why):
    """What is to be different in a job's copy."""

    arguments: NewArguments | None = Field(
        None, description="Others than it has; both are replaced. What is masked, as it was shown, stays as it is."
    )


class JobFilter(search.Filter):
    """Which jobs to list."""

    limit: int = Field(50, ge=1, le=200, description="Jobs on a page.")
    before: str | None = Field(None, max_length=200, description="The `next` of the page before.")


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
    shown_state: search.State = Field(description="The state as people see it: also scheduled, retrying, cancelling …")
    attempt: int
    max_attempts: int | None
    created_at: datetime
    run_at: datetime | None = Field(description="When it may run; null while it waits for something else.")
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    unique_key: str | None
    owner: str | None
    parent_id: UUID | None
    tags: list[str] | None
    blocked_by: str | None = Field(description="Why it waits: `limit:<key>` is full, `actor:<name>` is paused.")
    error: ErrorDocument | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """The document of a job, its error masked."""
        return cls.model_validate(_summary(job))


class EnqueuedDocument(JobDocument):
    """The answer to an enqueue: `created` is false where a job with this unique key lived already."""

    created: bool


class EnqueuedJob(BaseModel):
    """One of many that were enqueued, or one that was deleted since."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    created: bool = Field(description="False where a job with this unique key lived already.")


class EnqueuedJobs(BaseModel):
    """The jobs, in the order in which they were sent."""

    jobs: list[EnqueuedJob]


class AttemptDocument(BaseModel):
    """One failed attempt."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    attempt: int
    worker: UUID
    started_at: datetime
    ended_at: datetime
    error_type: str
    error_message: str
    traceback: str

    @classmethod
    def of(cls, attempt: JobAttempt) -> Self:
        """The document of an attempt, its error masked."""
        document = cls.model_validate(attempt)
        shown = masking().text
        return document.model_copy(
            update={"error_message": shown(document.error_message), "traceback": shown(document.traceback)}
        )


class Attempts(BaseModel):
    """A job's latest failed attempts, first to last."""

    attempts: list[AttemptDocument]
    next: int | None = Field(description="Send it as `before` to get the attempts before these; null at the first.")


class JobDetail(JobDocument):
    """Everything of one job; what looks like a secret is masked."""

    args: list[Any]
    kwargs: dict[str, Any]
    result: Any
    metadata: dict[str, Any] | None
    attempts: list[AttemptDocument] = Field(description="The latest that failed, 50 at most, first to last.")


class JobPage(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobDocument]
    next: str | None = Field(description="Send it as `before` to get the page after this one; null on the last.")
    searched_back_to: datetime | None = Field(
        description="Where the search took too long: nothing older was looked at; `next` goes on from there."
    )


class JobCount(BaseModel):
    """How many jobs there are."""

    jobs: int
    is_exact: bool = Field(description="False: there are at least so many.")


def detail(job: Job, failed: list[JobAttempt], metadata: dict[str, Any] | None) -> JobDetail:
    """Everything of a job, masked."""
    args, kwargs = masking().arguments(job.actor, job.args, job.kwargs)
    return JobDetail(
        **_summary(job),
        args=args,
        kwargs=kwargs,
        result=masking().value(job.result),
        metadata=masking().value(metadata),
        attempts=[AttemptDocument.of(attempt) for attempt in failed],
    )


def _summary(job: Job) -> dict[str, Any]:
    found = {name: getattr(job, name) for name in JobDocument.model_fields if name != "shown_state"}
    found["run_at"] = job.due_at
    if job.error is not None:
        message = masking().text(str(job.error.get("message") or ""))
        found["error"] = {"type": str(job.error.get("type")), "message": message}
    return {**found, "shown_state": search.shown_state(job)}
