"""What a provider says it did with an e-mail, recipient by recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from errors import NotSent, Rejected

MOST_TEXT = 500  # characters of a server's reply that are kept


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

    def after(self, accepted: Sequence[str]) -> "Receipt":
        """This receipt with those that were accepted at earlier attempts."""
        return replace(self, accepted=(*accepted, *self.accepted))

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
            "refused": {address: {"code": r.code, "text": r.text} for address, r in self.refused.items()},
            "reply": self.reply,
        }


def refusal(what: str, replies: Mapping[str, Reply], advice: str = "") -> NotSent | Rejected:
    """The error for replies (by recipient) none of which accepts: final only if every one of them is."""
    said = "; ".join(f"{address}: {reply}" if address else str(reply) for address, reply in replies.items())
    if all(reply.is_final for reply in replies.values()):
        return Rejected(f"{what}: {said}. {advice or 'Sent unchanged it would be refused again.'}")
    return NotSent(f"{what} for now: {said}. {advice or 'Send it again later.'}")
