"""How values look on a page. Whatever returns Markup has escaped what it was given."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from markupsafe import Markup

from db.models import Job
from services.callers import Caller
from services.masking import masking, of_mail
from web.pages.query import quoted
from web.pages.tree import tree

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def when(moment: datetime | None, show: str = "relative") -> Markup:
    """A time. `show` is "relative", "moment" or "clock"; the script shows it in the reader's zone, UTC on hover."""
    if moment is None:
        return Markup('<span class="muted">—</span>')
    utc = moment.astimezone(UTC)
    text = since((datetime.now(UTC) - utc).total_seconds()) if show == "relative" else f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    exact = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    parts = exact, show, f"{utc:%Y-%m-%d %H:%M:%S} UTC", text
    return Markup('<time datetime="%s" data-show="%s" title="%s">%s</time>') % parts


def instant(seconds: float) -> datetime:
    """A moment from the seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def since(seconds: float) -> str:
    """`5 min ago`, `in 3 h`."""
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float | None) -> str:
    """In its largest unit, with two digits at most that matter: `340 ms`, `4.2 s`, `12 min`, `3 h`."""
    if seconds is None:
        return "—"
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def number(value: float | None, digits: int = 0) -> str:
    """With its thousands set apart."""
    return "—" if value is None else f"{value:,.{digits}f}"


def size(count: float | None) -> str:
    """Of a number of bytes."""
    if count is None:
        return "—"
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def capped(count: int, cap: int) -> str:
    """A count that was not taken further than its cap: `10,000+`."""
    return f"{cap:,}+" if count >= cap else f"{count:,}"


def clip(value: Any, most: int = 80) -> str:
    """Text on one line, cut."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def badge(state: str, text: str | None = None) -> Markup:
    """A state as a word with its colour and its sign, so that the colour alone says nothing."""
    parts = state, _SIGNS.get(state, "•"), text or state
    return Markup('<span class="badge %s"><span aria-hidden="true">%s</span>%s</span>') % parts


_SIGNS = {
    "succeeded": "✓", "ok": "✓", "healthy": "✓", "delivered": "✓", "sent": "✓",
    "failed": "✕", "bad": "✕", "critical": "✕", "bounced": "✕", "rejected": "✕", "complained": "✕",
    "cancelled": "⊘", "skipped": "⊘", "suppressed": "⊘", "disabled": "⊘",
    "running": "▶", "retrying": "↻", "queued": "…", "scheduled": "◷", "waiting": "⋯", "paused": "‖", "stalled": "!",
    "warning": "!", "unknown": "?",
}  # fmt: skip


def spark(values: Sequence[float], label: str) -> Markup:
    """A line without axes; `label` says in words what it shows."""
    if len(values) < 2:
        return Markup()
    top, width = max(values) or 1, len(values) - 1
    points = " ".join(f"{x * 100 / width:.1f},{28 - value * 26 / top:.1f}" for x, value in enumerate(values))
    return Markup(
        '<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>'
    ).format(label, points)


def strip(outcomes: Iterable[str], label: str) -> Markup:
    """The last runs as a row of bars, oldest first: each "ok", "bad", "warn" or "none"."""
    bars = list(outcomes)
    cells = Markup().join(
        Markup('<rect class="{}" x="{}" y="2" width="4" height="16" rx="1"/>').format(kind, index * 6)
        for index, kind in enumerate(bars)
    )
    return Markup('<svg width="{}" height="20" class="strip spark" role="img" aria-label="{}">{}</svg>').format(
        max(1, len(bars)) * 6, label, cells
    )


def outcome(status: str) -> str:
    """The bar of a `strip` for a run in this state."""
    return _BARS.get(status, "none")


_BARS = {"succeeded": "ok", "failed": "bad", "cancelled": "warn", "skipped": "warn"}


def in_figures(runs: Sequence[Any]) -> str:
    """`The last 20 runs: 18 succeeded, 2 failed`."""
    counts = Counter(run.status for run in runs)
    return f"The last {len(runs)} runs: " + ", ".join(f"{number} {status}" for status, number in counts.most_common())


def waited(job: Job) -> float | None:
    """Seconds that its last run waited from when it was due, or that it has waited until now."""
    if job.due_at is None:
        return None
    due = max(job.due_at, job.created_at)
    if job.started_at is not None and job.started_at >= due:
        return (job.started_at - due).total_seconds()
    if job.started_at is None and job.finished_at is None and due <= datetime.now(UTC):
        return (datetime.now(UTC) - due).total_seconds()
    return None


def ran(job: Job) -> float | None:
    """Seconds of its last run, or of the one that goes on."""
    if job.started_at is None or job.state in ("queued", "waiting", "paused"):
        return None
    return ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()


def query(values: Mapping[str, object]) -> str:
    """As the part of an address after its question mark; what is empty is left out."""
    return urlencode({name: str(value) for name, value in values.items() if value not in ("", None)})


def masked(text: str | None, name: str = "") -> str:
    """Text that may hold secrets, or is one by its name."""
    return str(masking().value(text or "", name))


def mail(text: str | None, caller: Caller) -> str:
    """Text of an e-mail: may hold secrets, and addresses, of which who only looks sees the first letter."""
    return str(of_mail(text or "", caller))


def concealed(value: Any) -> str:
    """JSON that may hold secrets, on one line."""
    return orjson.dumps(masking().value(value)).decode() if value else ""


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 job`, `12 jobs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


FILTERS = {
    function.__name__: function
    for function in (
        badge,
        capped,
        clip,
        concealed,
        duration,
        in_figures,
        instant,
        mail,
        masked,
        number,
        outcome,
        plural,
        query,
        quoted,
        ran,
        since,
        size,
        spark,
        strip,
        tree,
        waited,
        when,
    )
}
