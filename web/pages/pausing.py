"""The question before a queue or an actor is paused, or a schedule turned off: why, and for how long."""

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Annotated

from fastapi import Depends, Form, Request, Response

from errors import BadArguments
from runtime.triggers import zone_of
from services.pauses import Kind, Span
from web.pages.moments import moment
from web.pages.rendering import render

_MOMENT = "moment"
LENGTHS = (
    ("900", "for 15 minutes"), ("1800", "for 30 minutes"), ("3600", "for an hour"), ("14400", "for 4 hours"),
    ("86400", "for a day"), (_MOMENT, "until a moment"),
)  # fmt: skip
CHOICES = (("", "until somebody resumes it"), *LENGTHS)
_LENGTHS = {value: timedelta(seconds=int(value)) for value, _ in LENGTHS if value.isdigit()}


@dataclass(frozen=True)
class Typed:
    """What was typed. The moment is on the clock of `zone`."""

    reason: Annotated[str, Form(max_length=1_000)] = ""
    lasts: Annotated[str, Form(max_length=20)] = ""
    until: Annotated[str, Form(max_length=40)] = ""
    zone: Annotated[str, Form(max_length=100)] = "UTC"

    def span(self) -> Span:
        """Raises BadArguments, naming the field."""
        if self.lasts == _MOMENT:
            return Span(until=moment(self.until, zone_of(self.zone, "until"), "until"))
        if self.lasts not in ("", *_LENGTHS):
            raise BadArguments("Choose one of these.", "lasts")
        return Span(lasts=_LENGTHS.get(self.lasts))

    @property
    def until_utc(self) -> str:
        """The moment as a page brings it: in UTC; what is none, as it was typed."""
        try:
            return f"{moment(self.until, zone_of(self.zone), 'until').astimezone(UTC):%Y-%m-%dT%H:%M}"
        except BadArguments:
            return self.until


Asked = Annotated[Typed, Depends()]


@dataclass(frozen=True)
class Effect:
    """What a pause would hold now."""

    waiting: int = 0
    is_capped: bool = False
    running: int = 0


def question(
    request: Request, kind: Kind, name: str, effect: Effect, typed: Typed | None = None,
    wrong: BadArguments | None = None,
) -> Response:  # fmt: skip
    return render(
        request, "pause.html", status=422 if wrong else 200, kind=kind, plural=f"{kind.capitalize()}s", name=name,
        effect=effect, typed=typed or Typed(), choices=CHOICES, wrong={wrong.path: str(wrong)} if wrong else {},
    )  # fmt: skip
