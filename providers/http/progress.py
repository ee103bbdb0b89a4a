"""How far a request has come: what its failure means depends on that."""

import time
from dataclasses import dataclass, field

from providers.http.response import Timings


@dataclass
class Progress:
    started: float = field(default_factory=time.perf_counter)
    timings: Timings = field(default_factory=Timings)
    address: str | None = None  # that the request goes to; None through a proxy
    is_at_proxy = False  # our own proxy is being connected to: what fails now is not the receiver's
    is_securing = False  # TLS is being agreed on
    has_left = False  # the receiver may have some of it

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.started
