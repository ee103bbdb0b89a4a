"""What every way of sending e-mail offers."""

from collections.abc import Sequence
from typing import Protocol

from providers.email.message import Message
from providers.email.receipt import Receipt
from providers.http import Progress


class Provider(Protocol):
    """Hands one message over, once; whether to try again is the caller's to decide."""

    @property
    def name(self) -> str:
        """As it stands in receipts, and in the setting EMAIL_PROVIDER."""

    async def send(self, message: Message, recipients: Sequence[str], progress: Progress | None = None) -> Receipt:
        """Send to these of the message's recipients; the headers name all of them. Who may be cancelled meanwhile
        gives a `progress`, and learns from it whether somebody may have got it.

        Returns a receipt when somebody was accepted. Otherwise raises one of
        NotSent    nobody got it, and another try may go better
        Rejected   nobody got it, nor would they at another try
        Ambiguous  the answer was lost: they may have got it
        """
