"""Messages: what is taken, what is refused and how, and that nothing gets into a header that was not meant to."""

import uuid
from email import message_from_bytes
from email.policy import SMTPUTF8
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import BadArguments, ConfigurationError
from providers.email import default_sender, read_message
from settings import Settings

ID = uuid.UUID("01920000-0000-7000-8000-000000000001")
GOOD = {"sender": "stage@example.org", "to": "ada@example.com", "subject": "Hello", "text": "Curtain."}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"to": None}, "to"),
        ({"to": []}, "to"),
        ({"to": ""}, "to"),
        ({"to": 5}, "to"),
        ({"to": {"ada@example.com": "Ada"}}, "to"),
        ({"to": "ada"}, "to"),
        ({"to": "ada@example.com, bob@example.com"}, "to"),
        ({"to": ["ada@example.com", "bob@"]}, "to[1]"),
        ({"to": ["ada@example.com", None]}, "to[1]"),
        ({"to": "ada@example.com\r\nRCPT TO:<eve@example.com>"}, "to"),
        ({"to": "Ada\nBcc: eve@example.com <ada@example.com>"}, "to"),
        ({"to": f"{'Ada' * 100} <ada@example.com>"}, "to"),
        ({"to": [f"ada{n}@example.com" for n in range(101)]}, "to"),
        ({"cc": ["bob@example.com", "a b@example.com"]}, "cc[1]"),
        ({"bcc": "@example.com"}, "bcc"),
        ({"reply_to": ["eve@exa mple.com"]}, "reply_to[0]"),
        ({"sender": "nobody"}, "sender"),
        ({"subject": "Hello\r\nBcc: eve@example.com"}, "subject"),
        ({"subject": "Hello\u2028there"}, "subject"),
        ({"subject": "half a \ud83d"}, "subject"),
        ({"subject": "long " * 200}, "subject"),
        ({"subject": 5}, "subject"),
        ({"text": None}, "text"),
        ({"text": b"bytes"}, "text"),
        ({"html": "half a \ud83d"}, "html"),
        ({"headers": ["X-A"]}, "headers"),
        ({"headers": {"X A": "1"}}, "headers"),
        ({"headers": {"X-A: 1\r\nBcc": "eve@example.com"}}, "headers"),
        ({"headers": {f"X-{n}": "1" for n in range(51)}}, "headers"),
        ({"headers": {"X-A": "1\nBcc: eve@example.com"}}, "headers.X-A"),
        ({"headers": {"X-A": 1}}, "headers.X-A"),
        ({"headers": {"bcc": "eve@example.com"}}, "headers.bcc"),
        ({"headers": {"Message-ID": "<1@example.com>"}}, "headers.Message-ID"),
        ({"headers": {"Content-Type": "text/html"}}, "headers.Content-Type"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(BadArguments) as caught:
        read_message(ID, **(GOOD | wrong))
    assert caught.value.path == path
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("address", "spec"),
    [
        ("ada@example.com", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com"),
        ("Ada Lovelace <ada@example.com>", "ada@example.com"),
        ("Lovelace, Ada <ada@EXAMPLE.com>", "ada@example.com"),
        ('"Ada \\"the first\\"" <ada@example.com>', "ada@example.com"),
        ("Zoë <zoë@exämple.de>", "zoë@xn--exmple-cua.de"),
        ("o'neil+tag@example.com", "o'neil+tag@example.com"),
        ("root@localhost", "root@localhost"),
        ("desk@mail.theatre.local", "desk@mail.theatre.local"),
    ],
)
def test_addresses_that_are_taken(address: str, spec: str) -> None:
    assert read_message(ID, **(GOOD | {"to": address})).recipients == (spec,)


def test_a_wrong_default_sender_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="EMAIL_FROM"):
        default_sender(Settings(email_from="nobody"))


def test_a_name_with_quotes_comes_back_as_it_was() -> None:
    [address] = read_message(ID, **(GOOD | {"to": '"Ada \\"the first\\"" <ada@example.com>'})).to
    assert address.display_name == 'Ada "the first"'


def test_a_mail_to_hidden_recipients_only_has_a_to_header() -> None:
    message = read_message(ID, **(GOOD | {"to": None, "bcc": ["ada@example.com", "bob@example.com"]}))
    mail = message_from_bytes(message.as_bytes(), policy=SMTPUTF8)
    assert message.recipients == ("ada@example.com", "bob@example.com")
    assert mail["To"] == "undisclosed-recipients:;"
    assert "Bcc" not in mail


def test_long_words_in_headers_stay_whole() -> None:
    link, ids = f"<https://example.org/{'u' * 200}>", " ".join(f"<{n:040}@mail.example.org>" for n in range(5))
    content = read_message(ID, **GOOD, headers={"List-Unsubscribe": link, "References": ids}).as_bytes()
    assert f"List-Unsubscribe: {link}\r\n".encode() in content
    assert ids.encode() in content.replace(b"\r\n ", b" ")
    assert max(map(len, content.splitlines())) < 998


line = st.text(max_size=120)
headers = st.dictionaries(st.sampled_from(["X-One", "List-Id", "References"]), line, max_size=3)
names = st.lists(line, max_size=2)


@settings(deadline=None)  # a busy machine is no failure
@given(subject=line, text=st.text(max_size=300), html=st.none() | line, names=names, headers=headers)
def test_whatever_is_written_no_header_is_added_or_lost(
    subject: str, text: str, html: str | None, names: list[str], headers: dict[str, str]
) -> None:
    """Given any texts, when they make a message, then it parses back to exactly the headers that were asked for."""
    to = ["ada@example.com", *(f"{name} <bob{n}@example.com>" for n, name in enumerate(names))]
    try:
        message = read_message(ID, sender=GOOD["sender"], to=to, subject=subject, text=text, html=html, headers=headers)
    except BadArguments:
        return
    content = message.as_bytes()
    mail = message_from_bytes(content, policy=SMTPUTF8)
    ours = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    assert set(mail.keys()) - {"Content-Transfer-Encoding"} == ours | set(headers)
    assert len(mail.keys()) == len(set(mail.keys()))
    assert [a.addr_spec for a in mail["To"].addresses] == [a.addr_spec for a in message.to]
    assert content.replace(b"\r\n", b"").isascii()
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
