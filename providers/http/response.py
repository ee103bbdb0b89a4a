"""What came back."""

from dataclasses import dataclass, field


@dataclass
class Timings:
    """Seconds from the start of the request until each phase was over; None if it was not reached or not needed (a
    connection that was used again)."""

    resolved: float | None = None  # the name was looked up; not by us where a proxy does it
    connected: float | None = None
    secured: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    total: float = 0.0

    def as_json(self) -> dict[str, float]:
        """In milliseconds, without what was not reached."""
        return {name: round(value * 1000, 2) for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Response:
    """The answer to a request, whatever its status."""

    status: int
    headers: list[tuple[str, str]]  # as they came, their bytes read as Latin-1
    body: bytes
    truncated: bool  # more would have come, had it been read; or the deadline was over before it all came
    address: str | None  # that the request went to; None through a proxy
    timings: Timings = field(default_factory=Timings)

    @property
    def is_success(self) -> bool:
        """2xx. A redirect is none: nobody has followed it."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), None)

    @property
    def text(self) -> str:
        """The body as text that PostgreSQL takes: what is not UTF-8, and NUL, replaced."""
        return self.body.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
