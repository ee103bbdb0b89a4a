"""What is shown of what may be secret."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.masking import MASK, Masking

rules = Masking(["iban", "Blood Group"], [r"EMP-\d{4}"])

SECRET_NAMES = [
    "password", "PASSWORD", "user_password", "newPassword", "db-password", "passwd", "passphrase", "secret",
    "client_secret", "clientSecret", "secretKey", "token", "access_token", "accessToken", "X-Auth-Token", "api_key",
    "apiKey", "x-api-key", "private_key", "aws_secret_access_key", "credentials", "Authorization", "Set-Cookie",
    "session_id", "jwt", "otp", "cvv", "card_number", "iban", "IBAN", "blood_group",
]  # fmt: skip
PLAIN_NAMES = [
    "name", "passenger", "author", "keyboard", "key", "monkey", "secretary", "tokenize", "to", "subject", "path",
    "compass", "authored_by", "options", "sessions", "card",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("value", ["s3cret", 1234, ["s3cret"], {"value": "s3cret"}])
def test_what_stands_under_a_secret_name_is_masked(name: str, value: Any) -> None:
    assert rules.value({"a": [{name: value}]}) == {"a": [{name: MASK}]}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_what_stands_under_another_name_is_shown(name: str) -> None:
    assert rules.value({name: "shown"}) == {name: "shown"}


def test_how_many_tokens_is_no_secret() -> None:
    assert rules.value({"max_tokens": 100, "tokens": ["s3cret"]}) == {"max_tokens": 100, "tokens": MASK}


def test_nothing_is_no_secret() -> None:
    assert rules.value({"password": None, "token": False}) == {"password": None, "token": False}


SECRET_TEXTS = {
    "Authorization: Bearer s3cret.s3cret": f"Authorization: Bearer {MASK}",
    "curl -H 'Authorization: Basic czNjcmV0czNjcmV0'": f"curl -H 'Authorization: Basic {MASK}'",
    "postgresql://ada:s3cret@db/jobs": f"postgresql://ada:{MASK}@db/jobs",
    "redis://:s3cret@cache:6379/0": f"redis://:{MASK}@cache:6379/0",
    "failed with password=s3cret, again": f"failed with password={MASK}, again",
    "api_key: 's3cret key'": f"api_key: {MASK}",
    '{"access_token": "s3cret"}': f'{{"access_token": {MASK}}}',
    "?token=s3cret&page=2": f"?token={MASK}&page=2",
    "a eyJhbGciOiJIUzI1NiJ9.s3crets3cret.s3cret z": f"a {MASK} z",
    "AKIA1234567890S3CRET": MASK,
    "ghp_s3crets3crets3crets3cret": MASK,
    "sk-s3crets3crets3crets3cret": MASK,
    "cb_abcdefghij_s3crets3crets3crets3cret": MASK,
    "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\nafter": f"{MASK}\nafter",
    "-----BEGIN PRIVATE KEY-----\ns3cret": MASK,
    "badge EMP-1234": f"badge {MASK}",
}


@pytest.mark.parametrize(("text", "shown"), SECRET_TEXTS.items(), ids=range(len(SECRET_TEXTS)))
def test_what_looks_like_a_secret_is_masked_in_a_text(text: str, shown: str) -> None:
    assert rules.text(text) == shown
    assert rules.value([text]) == [shown]


@pytest.mark.parametrize(
    "text",
    [
        "Hello, Ada.", "https://example.com/a:b@c", "the token has expired", "basic things", "tokens: 3 and more",
        "a@b.example",
    ],
)  # fmt: skip
def test_other_texts_are_shown_as_they_are(text: str) -> None:
    assert rules.text(text) == text


def test_arguments_by_position_have_their_parameters_names() -> None:
    import actors  # noqa: F401 (declares them)
    from tests.web.some_actors import sign

    shown = rules.arguments(sign.actor_name, ["ada", "s3cret", "rest"], {"loudly": True})
    assert shown == (["ada", MASK, MASK], {"loudly": True})
    assert rules.arguments("nobody knows", ["s3cret"], {"password": "s3cret"}) == (["s3cret"], {"password": MASK})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_masked_stays_json_of_the_same_shape_and_masking_twice_changes_nothing(value: Any) -> None:
    once = rules.value(value)
    json.dumps(once)
    assert type(once) is type(value) or once == MASK
    assert rules.value(once) == once


@given(st.text(alphabet=":=@/ \"'bearerpassword-._", max_size=300))
def test_any_text_is_masked_in_no_time(text: str) -> None:
    rules.text(text * 50)
