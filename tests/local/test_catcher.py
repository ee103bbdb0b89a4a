"""Tests of local/catcher.py, with a real SMTP client."""

from email.message import EmailMessage
from itertools import repeat

import aiosmtplib
import pytest

from local.catcher import Catcher


def mail(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "demo@example.com", to, "Grüße"
    message.set_content("Hello")
    return message


async def send(catcher: Catcher, to: str) -> None:
    await aiosmtplib.send(mail(to), hostname="127.0.0.1", port=catcher.port, start_tls=False, timeout=10)


async def test_it_keeps_what_it_accepts() -> None:
    async with Catcher({}).listening() as catcher:
        # When
        await send(catcher, "ada@example.com")

        # Then
        [message] = catcher.received("ada@example.com")
        assert message["Subject"] == "Grüße"
        assert catcher.received("grace@example.com") == []


async def test_it_refuses_as_often_as_it_is_told() -> None:
    async with Catcher({"grace@example.com": iter(["451 Later", "452 Later still"])}).listening() as catcher:
        # When
        for code in (451, 452):
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
                await send(catcher, "grace@example.com")
            assert refused.value.recipients[0].code == code
        await send(catcher, "grace@example.com")

        # Then
        assert len(catcher.received("grace@example.com")) == 1


async def test_it_can_refuse_for_ever() -> None:
    async with Catcher({"nobody@example.com": repeat("550 No such user")}).listening() as catcher:
        for _ in range(3):
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await send(catcher, "nobody@example.com")
        assert catcher.caught == []
