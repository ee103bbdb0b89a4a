"""Signatures, by the vectors that the specification's own libraries and Svix publish."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import BadArguments
from providers.webhooks.signing import new_secret, public_key, read_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIME = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER_MESSAGE, OTHER_TIME = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553
OTHER_BODY = b'{"email":"test@example.com","username":"test_user"}'

PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ASYMMETRIC = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def test_the_published_signatures_are_ours() -> None:
    assert sign([SECRET], MESSAGE, TIME, BODY) == SIGNATURE
    expected = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    assert sign([OTHER], OTHER_MESSAGE, OTHER_TIME, OTHER_BODY) == expected
    assert sign([PRIVATE], MESSAGE, TIME, BODY) == ASYMMETRIC
    assert public_key(PRIVATE) == PUBLIC


def test_while_secrets_rotate_each_of_them_signs() -> None:
    """Given three secrets, one of them asymmetric, then a receiver with any one of them is content."""
    header = sign([OTHER, PRIVATE, SECRET], MESSAGE, TIME, BODY)
    assert len(header.split(" ")) == 3
    for key in (OTHER, PUBLIC, SECRET):
        assert verify(key, MESSAGE, TIME, BODY, header, TIME)
    assert not verify(new_secret(), MESSAGE, TIME, BODY, header, TIME)


@pytest.mark.parametrize(
    ("header", "now", "is_good"),
    [
        (SIGNATURE, TIME, True),
        (f"{WRONG} v2,{WRONG[3:]} {SIGNATURE} {WRONG}", TIME, True),
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=", TIME, False),
        ("v1,", TIME, False),
        ("", TIME, False),
        (SIGNATURE, TIME + 301, False),
        (SIGNATURE, TIME - 301, False),
    ],
)
def test_verification_takes_the_good_and_nothing_else(header: str, now: float, is_good: bool) -> None:
    assert verify(SECRET, MESSAGE, TIME, BODY, header, now) is is_good


def test_of_several_signatures_none_of_which_is_ours_none_is_taken() -> None:
    header = (
        "v1,tFtCZ5RDCPxzWQRWXWPgrCgE2frDBe9gjpbWQxnVfsQ= v1,Mm7xgUVICxZfQ3bgf0h0Dof65L/IFx+PnZvnDWPCX6Q= "
        "v1,9DfC1c3eeOrXB6w/5dIDydLNQaEyww5KalE5jLBZucE="
    )
    assert not verify(OTHER, OTHER_MESSAGE, OTHER_TIME, OTHER_BODY, header, OTHER_TIME)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "whsk_AAAA", "whsec_c2hvcnQ="])
def test_a_secret_that_cannot_sign_is_refused(secret: str) -> None:
    with pytest.raises(BadArguments):
        read_secret(secret)


@pytest.mark.parametrize("timestamp", ["161426533.0", "invalid timestamp", "-161426533", -161426533, 1.5])
def test_a_timestamp_that_is_none_is_refused(timestamp: object) -> None:
    with pytest.raises(BadArguments):
        sign([SECRET], MESSAGE, timestamp, BODY)  # type: ignore[arg-type]


@given(key=st.binary(min_size=24, max_size=64), body=st.binary(max_size=300), padded=st.booleans())
def test_any_key_and_any_bytes_are_signed_as_the_formula_says(key: bytes, body: bytes, padded: bool) -> None:
    """Whatever the bytes (no text, no UTF-8), and whether the secret has its padding."""
    secret = "whsec_" + base64.b64encode(key).decode()
    digest = hmac.new(key, b"msg_1.1700000000." + body, hashlib.sha256).digest()
    header = sign([secret if padded else secret.rstrip("=")], "msg_1", 1_700_000_000, body)
    assert header == "v1," + base64.b64encode(digest).decode()
    assert verify(secret, "msg_1", 1_700_000_000, body, header, 1_700_000_000)
