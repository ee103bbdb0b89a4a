"""The one family of errors. Each says what to do next and knows the HTTP status it becomes.

CallboardError
├── ConfigurationError      a setting is missing or wrong
│   └── OtherKey            what is kept was sealed with another SECRET_KEY
├── BadRequest              what was asked for cannot be done as asked
│   ├── UnknownActor        no actor of that name is declared
│   ├── BadArguments        the arguments do not fit the actor, or are not JSON
│   └── TooLarge            arguments or result over the limit
├── NotFound                no such job
├── Conflict                it makes no sense in the state that the thing is in
├── Unauthorized            nobody knows who this caller is
├── Forbidden               this caller may not do that
├── NoResult                the job that was waited for gave none
│   ├── JobFailed           it has failed for good
│   ├── JobCancelled        it was cancelled
│   └── NotEnded            it has not ended within the time that it was given
├── TooMany                 too often in too short a time
├── DeliveryError           a message could not be handed to another system
│   ├── NotSent             it surely did not leave: try again
│   ├── Ambiguous           it may have left: the answer was lost
│   │   └── InDoubt         and it is left to a person what to do
│   └── Rejected            it was refused for good: do not try again
│       └── ChannelRefused  we were, not the message: another way may take it
│           └── ChannelClosed  our login, key or account: nothing passes until it is set right
├── DirectoryError          the directory did not give its users, or too few to be believed
├── LeaseLost               this run of the job was given up: it may change nothing more
├── ServerUnavailable       PostgreSQL or Redis is away
├── ProcessEnded            a process of the local stack ended by itself
└── DemoFailed              a job of the demo did not end as it should have
"""

from uuid import UUID


class CallboardError(Exception):
    """Everything Callboard raises on purpose."""

    status = 500
    exit_code = 1  # of the command line; 2 is Typer's, for a command that was typed wrong


class ConfigurationError(CallboardError):
    """A setting is missing or wrong; the message names it and says what to do."""


class OtherKey(ConfigurationError):
    """What is kept cannot be opened: it was sealed with another SECRET_KEY."""


class BadRequest(CallboardError):
    """What was asked for cannot be done as asked; nothing was written."""

    status = 422


class UnknownActor(BadRequest):
    """No actor of that name is declared in `actors/`."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"No actor is named {name!r}. Declared actors: {', '.join(sorted(known)) or 'none'}.")
        self.name = name


class BadArguments(BadRequest):
    """The arguments do not fit the actor's signature, or are not JSON.

    `path` says which: `to[3]`, `payload.items[0].price`.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class TooLarge(BadRequest):
    """Something is over its size limit: pass a reference to it instead."""

    status = 413

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(
            f"{what} are {size:,} bytes of JSON; the limit is {limit:,}. "
            "Store the data elsewhere and pass a reference to it (an id, a URL, a path)."
        )
        self.what, self.size, self.limit = what, size, limit


class NotFound(CallboardError):
    """There is no such thing, or it is not yours to see."""

    status = 404
    exit_code = 3


class Conflict(CallboardError):
    """It makes no sense in the state that the thing is in, or somebody else was faster; nothing was changed.

    The message says what state that is, and what can be done in it.
    """

    status = 409
    exit_code = 4


class Forbidden(CallboardError):
    """This caller may not do that; the message says who may."""

    status = 403
    exit_code = 5


class NoResult(CallboardError):
    """The job that was waited for gave no result; `job_id` says which, the message why."""

    status = 409

    def __init__(self, message: str, job_id: UUID) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailed(NoResult):
    """It has failed for good. `type` and `text` are its last error's."""

    exit_code = 7

    def __init__(self, job_id: UUID, type: str, text: str) -> None:  # noqa: A002 (as the job's error calls it)
        super().__init__(f"Job {job_id} failed: {type}: {text}", job_id)
        self.type, self.text = type, text


class JobCancelled(NoResult):
    """It was cancelled; `reason` says why."""

    exit_code = 8

    def __init__(self, job_id: UUID, reason: str) -> None:
        super().__init__(f"Job {job_id} was cancelled: {reason or 'nobody said why'}", job_id)
        self.reason = reason


class NotEnded(NoResult):
    """It has not ended within the time that it was given; it goes on."""

    status = 504
    exit_code = 9


class Unauthorized(CallboardError):
    """Nobody knows who this caller is: no key, no session, a wrong password."""

    status = 401
    exit_code = 5


class TooMany(CallboardError):
    """Too often in too short a time; `retry_after` says in how many seconds it is worth another try."""

    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LeaseLost(CallboardError):
    """This run of the job was given up (its worker was thought dead, or somebody else ended the job).

    Whatever it was about to write is refused. Let the error pass: there is nothing left to do.
    """

    status = 409


class ServerUnavailable(CallboardError):
    """PostgreSQL or Redis does not answer; the same request may succeed later."""

    status = 503
    exit_code = 6


class ProcessEnded(CallboardError):
    """A process of the local stack ended by itself; the message has the end of its log."""


class DemoFailed(CallboardError):
    """A job of the demo did not end as it should have; the message says how it did."""


class DeliveryError(CallboardError):
    """A message could not be handed to another system. `code` says why in a word, where there is one: dns, reset;
    `refused` what was said of each recipient, where each was asked: {"code": 550, "text": …} by address."""

    status = 502

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.refused: dict[str, dict[str, int | str]] = {}


class NotSent(DeliveryError):
    """It surely did not leave (refused for now, no connection): sending it again cannot double it.

    `retry_after` is what the other side asked for, in seconds, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Ambiguous(DeliveryError):
    """The answer was lost after the message had gone out: it may have been accepted."""


class InDoubt(Ambiguous):
    """It may have left, and must not leave twice: a person has to look. Nothing is tried again."""


class Rejected(DeliveryError):
    """The other side refused it for good: sending it again would be refused again."""


class ChannelRefused(Rejected):
    """The other side refused us, whatever the message: a wrong key or password, an account that is closed.

    Another provider may take the message; this one will not before somebody has set it right.
    """


class ChannelClosed(ChannelRefused):
    """The other side refused our login, key or account, or we have none: no message passes until somebody has set that
    right, and nothing is wrong with this one. It can wait."""


class DirectoryError(CallboardError):
    """The directory did not give its users, or too few to be believed; nothing was changed."""

    status = 502
