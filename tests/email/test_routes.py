"""Which providers a mail leaves by."""

import pytest

from providers.email import route
from settings import Settings

SETTINGS = Settings.model_validate(
    {"email_provider": "file", "email_routes": "newsletter=ses, receipt=smtp+sendgrid, newsletter-de=smtp"}
)


@pytest.mark.parametrize(
    ("asked", "tags", "expected"),
    [
        (None, (), ("file",)),
        (None, ("other",), ("file",)),
        (None, ("newsletter",), ("ses",)),
        (None, ("receipt",), ("smtp", "sendgrid")),
        (None, ("other", "receipt", "newsletter"), ("smtp", "sendgrid")),
        (("sendgrid",), ("newsletter",), ("sendgrid",)),
    ],
)
def test_a_mail_leaves_by_its_tag_unless_somebody_asks(
    asked: tuple[str, ...] | None, tags: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Given providers by tag, then the first of a mail's tags that has some decides, what the caller asked for comes
    before that, and the setting is for the rest."""
    assert route(SETTINGS, asked, tags) == expected
