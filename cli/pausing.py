"""How long a pause is to last, as people type it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.times import duration, moment
from services.pauses import Span

Until = Annotated[
    str | None, typer.Option("--until", help="When it goes on by itself: 2026-11-25T09:30.", show_default=False)
]
For = Annotated[str | None, typer.Option("--for", help="After how long it does: 30m, 2h.", show_default=False)]


def pause_span(until: str | None, lasts: str | None) -> Span:
    """Raises BadArguments, naming the option."""
    return Span(moment(until, "until") if until else None, duration(lasts, "for") if lasts else None)


def paused(end: datetime | None) -> str:
    """`paused until 2026-11-25 09:30 UTC`, or only `paused` if it is to be resumed."""
    return f"paused until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if end else "paused"
