"""The file provider: whole files, one per message, readable by nobody else."""

import asyncio
import uuid
from email import message_from_bytes
from email.policy import SMTPUTF8
from pathlib import Path

import pytest

from errors import NotSent
from providers.email import Message, provider, read_message, route
from providers.email.file import FileProvider
from settings import Settings


def mail(**changes: object) -> Message:
    arguments = {"sender": "stage@example.org", "to": "ada@example.com", "subject": "Grüße", "text": "Curtain."}
    return read_message(uuid.uuid4(), **(arguments | changes))


async def test_a_message_becomes_a_file(tmp_path: Path) -> None:
    """Given a folder that does not exist yet, when a mail is sent, then it holds one file that is the mail."""
    message = mail(bcc="hidden@example.com")
    files = FileProvider(tmp_path / "new" / "mail")
    receipt = await files.send(message, message.recipients)

    [path] = (tmp_path / "new" / "mail").iterdir()
    content = path.read_bytes()
    assert path.name == receipt.reply == f"{message.id}.eml"
    assert message_from_bytes(content, policy=SMTPUTF8)["Subject"] == "Grüße"
    assert b"hidden" not in content
    assert path.stat().st_mode & 0o777 == 0o600
    assert receipt.provider == "file"
    assert receipt.accepted == ("ada@example.com", "hidden@example.com")


async def test_a_second_attempt_writes_the_same_file(tmp_path: Path) -> None:
    message = mail()
    files = FileProvider(tmp_path)
    await asyncio.gather(*(files.send(message, message.recipients) for _ in range(5)))
    assert [path.name for path in tmp_path.iterdir()] == [f"{message.id}.eml"]


async def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("in the way")
    with pytest.raises(NotSent, match="EMAIL_FOLDER"):
        await FileProvider(tmp_path / "mail").send(message := mail(), message.recipients)


async def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """Given a folder in the file's place, when the file cannot take it, then no half file stays."""
    message = mail()
    (tmp_path / f"{message.id}.eml").mkdir()
    with pytest.raises(NotSent):
        await FileProvider(tmp_path).send(message, message.recipients)
    assert [path.name for path in tmp_path.iterdir()] == [f"{message.id}.eml"]


def test_it_is_the_provider_when_nothing_is_set(tmp_path: Path) -> None:
    settings = Settings(callboard_home=tmp_path)
    assert route(settings, None, ()) == ("file",)
    assert provider(settings, "file") == FileProvider(tmp_path / "mail")
