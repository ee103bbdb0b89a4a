"""What it takes to be answered, by address: the whole of it on one page.

An address that no rule names is guarded all the same: to read it takes the scope `read`, to change something
`operate`, and it is for those who see everything. So a new page is guarded from its first day.
"""

from dataclasses import dataclass

from services.callers import Caller, Scope

API = "/api/v1"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

# Answered to everybody, exactly these ...
PUBLIC = ("/health", "/ready", "/login", "/login/oidc", "/login/oidc/callback", "/favicon.ico")
# ... and what lies below these. What comes in at /webhook and /unsubscribe proves by a signature who sent it.
PUBLIC_BELOW = ("/static/", "/webhook/", "/unsubscribe/")

# Where a browser without a session is not sent to the sign-in page.
FOR_PROGRAMS = (API, "/metrics", "/health")


@dataclass(frozen=True)
class Rule:
    """`own`: also for callers that see only some of it: what answers there filters by the caller itself."""

    prefix: str
    read: Scope
    change: Scope
    own: bool = False

    def covers(self, path: str) -> bool:
        return path == self.prefix or path.startswith(f"{self.prefix}/")


RULES = (
    Rule("/metrics", "metrics", "metrics", own=True),
    Rule("/health", "metrics", "metrics", own=True),
    Rule("/dramatiq", "operate", "operate"),
    Rule("/settings/about", "read", "admin"),
    Rule("/settings", "admin", "admin"),
    Rule("/logout", "read", "read"),
    Rule("/jobs/columns", "read", "read"),  # what people choose to see is theirs
    Rule("/jobs/views", "read", "read"),
    Rule(f"{API}/openapi.json", "read", "read", own=True),
    Rule(f"{API}/me", "read", "read", own=True),
    Rule(f"{API}/jobs", "read", "enqueue", own=True),  # who makes jobs may also cancel and retry its own
    Rule(f"{API}/dead-letters", "read", "enqueue", own=True),
    Rule(f"{API}/queues", "read", "operate", own=True),
    Rule(f"{API}/users", "admin", "admin"),
    Rule(f"{API}/keys", "admin", "admin"),
    Rule(f"{API}/audit", "admin", "admin"),
)
DEFAULT = Rule("", "read", "operate")

# What is posted here is enqueued, and takes no more than that, though who may do it sees nothing of the others'. What
# answers here looks itself for which actors and queues a key is.
ENQUEUING = (f"{API}/emails",)


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_BELOW)


def is_for_programs(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in FOR_PROGRAMS)


def check(caller: Caller, method: str, path: str) -> None:
    """Raises Forbidden unless this caller may ask for that."""
    if method == "POST" and path in ENQUEUING:
        caller.require("enqueue")
        return
    rule = next((rule for rule in RULES if rule.covers(path)), DEFAULT)
    caller.require(rule.read if method in SAFE_METHODS else rule.change)
    if not rule.own:
        caller.require_everything()
