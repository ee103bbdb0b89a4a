"""What a provider says it did with an e-mail, recipient by recipient."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from errors import NotSent, Rejected

MOST_TEXT = 500  # characters of a server's reply that are kept

_LATER = re.compile(
    r"\b(?:again|retry|later|wait)\b\D{0,30}(?P<number>\d{1,5}) ?(?P<unit>s|m|h)(?:\b|ec|in|our)", re.IGNORECASE
)
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Reply:
    """A server's answer: its code, and its text made fit to be stored."""

    code: int
    text: str

    @classmethod
    def of(cls, code: int, text: str) -> "Reply":
        """`text` may be anything a server sends: wrong encodings, NUL, many lines."""
        clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        printable = "".join(character if character.isprintable() else " " for character in clean)
        return cls(code, " ".join(printable.split())[:MOST_TEXT])

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_refusal(self) -> bool:
        return 400 <= self.code < 600

    @property
    def is_final(self) -> bool:
        """Whether the same request would be refused again (RFC 5321, section 4.2.1)."""
        return 500 <= self.code < 600

    @property
    def retry_after(self) -> float | None:
        """Seconds until the server wants to be asked again, where it says so: "try again in 5 minutes"."""
        said = _LATER.search(self.text)
        return None if said is None or self.is_final else float(said["number"]) * _UNITS[said["unit"][0].lower()]

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True)
class Receipt:
    """At least one recipient was accepted: the provider has the mail for them. The refused get nothing."""

    provider: str
    message_id: str
    accepted: tuple[str, ...]
    refused: Mapping[str, Reply]
    reply: str = ""  # the provider's last word, which often holds its own id of the mail
    provider_id: str | None = None  # its own id of the mail, where it has given one: its events name it

    def after(self, accepted: Sequence[str], refused: Mapping[str, Reply]) -> "Receipt":
        """This receipt with those that were accepted, or refused for good, at earlier attempts."""
        still = {address: reply for address, reply in refused.items() if address not in self.accepted}
        return replace(self, accepted=(*accepted, *self.accepted), refused={**still, **self.refused})

    def refusal(self) -> NotSent | Rejected:
        """The error for a mail that only some were accepted for."""
        total = len(self.accepted) + len(self.refused)
        return refusal(
            f"{len(self.accepted)} of {total} recipients were accepted, the others refused",
            self.refused,
            "The accepted are not sent to again, whoever runs this job again.",
        )

    def as_json(self) -> dict[str, Any]:
        """As it is kept in the job's result."""
        return {
            "provider": self.provider,
            "message_id": self.message_id,
            "accepted": list(self.accepted),
            "refused": as_json(self.refused),
            "reply": self.reply,
        }


def refusal(what: str, replies: Mapping[str, Reply], advice: str = "") -> NotSent | Rejected:
    """The error for replies (by recipient) none of which accepts: final only if every one of them is."""
    said = "; ".join(f"{address}: {reply}" if address else str(reply) for address, reply in replies.items())
    wait = max((reply.retry_after or 0.0 for reply in replies.values()), default=0.0)
    error: NotSent | Rejected
    if all(reply.is_final for reply in replies.values()):
        error = Rejected(f"{what}: {said}. {advice or 'Sent unchanged it would be refused again.'}")
    else:
        error = NotSent(f"{what} for now: {said}. {advice or 'Send it again later.'}", wait or None)
    error.refused = as_json({address: reply for address, reply in replies.items() if address})
    return error


def as_json(replies: Mapping[str, Reply]) -> dict[str, dict[str, int | str]]:
    """As replies are kept in a mail's row."""
    return {address: {"code": reply.code, "text": reply.text} for address, reply in replies.items()}
