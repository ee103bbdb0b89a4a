"""A delivery tried at another address, and secrets held against its signature."""

import time

import pytest

from errors import BadArguments, Conflict
from providers.webhooks.signing import new_secret, public_key, verify
from runtime.client import Client
from services import audit, webhook, webhook_trials, webhook_views
from tests.http.hostile import Receiver
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import WHO, add_endpoint, attempts_of, ended, endpoint_now, publish


async def test_a_try_goes_elsewhere_once_and_says_nothing_of_the_endpoint(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given a delivery that arrived, when it is tried at an address that fails, then that address has got the same body
    and id, once, signed with the secret given for it and without the endpoint's headers; the endpoint is as well as
    before, and the try is not sent again, neither alone nor with what failed."""
    endpoint, own = await add_endpoint(client, here.url("/real"), headers={"Authorization": "Bearer t0ken"})
    message = await publish(client)
    [delivery] = await ended(client)
    secret = new_secret()
    async with client.session() as session:
        new = await webhook_trials.send_to(session, WHO, delivery.id, here.url("/503/try"), secret=secret)
        await session.commit()
    [_, tried] = await ended(client, 2, message_id=message)

    assert (tried.id, tried.replay_of, tried.outcome, tried.attempts) == (new, delivery.id, "exhausted", 1)
    [real, elsewhere] = here.received
    assert (elsewhere.path, elsewhere.body) == ("/503/try", real.body)
    assert elsewhere.headers["webhook-id"] == real.headers["webhook-id"]
    assert "authorization" not in elsewhere.headers
    said = int(elsewhere.headers["webhook-timestamp"]), elsewhere.body, elsewhere.headers["webhook-signature"]
    assert verify(secret, elsewhere.headers["webhook-id"], *said, time.time())
    assert not verify(own, elsewhere.headers["webhook-id"], *said, time.time())
    [attempt] = await attempts_of(client, delivery)
    assert attempt.timings is not None
    assert attempt.timings["resolved"] <= attempt.timings["connected"] <= attempt.timings["total"]
    assert (await endpoint_now(client, endpoint)).failing_since is None
    async with client.session() as session:
        assert await webhook_views.to_replay(session, webhook.Filter()) == 0
        with pytest.raises(Conflict, match="a try"):
            await webhook.replay(session, WHO, new)
        [note] = await audit.page(session, audit.Filter(action="webhook.delivery.try"), limit=5)
    assert (note.who, note.target) == (WHO, str(delivery.id))


async def test_a_try_is_refused_at_its_field(client: Client, here: Receiver) -> None:
    """Given a message to an address, then a scheme, a secret and that very address are refused, nothing is written, and
    a try does not stand in the way of the message's idempotency key."""
    async with client.session() as session:
        sent = await webhook.send(session, here.url("/here"), {"a": 1}, idempotency_key="once")
        [delivery] = await webhook.deliveries(session, message_id=sent.message_id)
        for url, secret, path in (
            ("ftp://example.com/", None, "url"), (here.url("/here"), None, "url"), (here.url("/x"), "short", "secret"),
        ):  # fmt: skip
            with pytest.raises(BadArguments) as refused:
                await webhook_trials.send_to(session, WHO, delivery.id, url, secret=secret)
            assert refused.value.path == path
        assert len(await webhook.deliveries(session, message_id=sent.message_id)) == 1
        await webhook_trials.send_to(session, WHO, delivery.id, here.url("/other"))
        again = await webhook.send(session, here.url("/here"), {"a": 1}, idempotency_key="once")
        assert (again.message_id, again.created) == (sent.message_id, False)


@pytest.mark.parametrize("asymmetric", [False, True], ids=["hmac", "ed25519"])
async def test_a_secret_is_held_against_what_was_sent(
    carriers: Carriers, client: Client, here: Receiver, asymmetric: bool
) -> None:
    """Given a signed attempt, then its endpoint's secret fits, and so does the public half of a pair; another does not,
    nor does the right one fit a signature of other bytes; what is no secret is refused."""
    async with client.session() as session:
        fields = webhook.EndpointFields(url=here.url("/signed"))
        _, secret = await webhook.create_endpoint(session, WHO, fields, asymmetric=asymmetric)
        await session.commit()
    await publish(client)
    [delivery] = await ended(client)
    [attempt] = await attempts_of(client, delivery)
    async with client.session() as session:
        message = await webhook.message(session, delivery.message_id)

    def fits(pasted: str, signature: str | None = None) -> bool:
        return webhook_trials.check(message, attempt, pasted, signature).fits

    assert fits(f"  {secret} ")
    assert not fits(new_secret(asymmetric))
    assert not fits(secret, "v1a,AAAA" if asymmetric else "v1,AAAA")
    public = public_key(secret)
    if public is not None:
        assert fits(public)
        assert not fits("whpk_AAAA")
    else:
        assert "another key" in webhook_trials.check(message, attempt, new_secret(asymmetric=True)).said
    for nonsense in ("", "no base64!", "whsec_QUJD", *(("whpk_*",) if asymmetric else ())):
        with pytest.raises(BadArguments) as refused:
            fits(nonsense)
        assert refused.value.path == "secret"
