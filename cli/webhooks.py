"""`callboard webhooks …`: endpoints, deliveries, and sending again what was missed."""

import uuid
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.confirm import Yes, confirm
from cli.output import AsJson, print_json, say
from cli.session import run
from cli.times import past
from cli.values import json_value
from cli.who import who
from db.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from errors import BadArguments
from runtime.client import Client
from services import audit, webhook, webhook_trials, webhook_views
from services.masking import masking

app = typer.Typer(help="Webhooks: endpoints, deliveries, replay, recover, send.", no_args_is_help=True)
endpoints = typer.Typer(help="Who is told of events.", no_args_is_help=True)
deliveries = typer.Typer(help="What became of messages.", no_args_is_help=True)
app.add_typer(endpoints, name="endpoints")
app.add_typer(deliveries, name="deliveries")

EndpointId = Annotated[uuid.UUID, typer.Argument(help="The endpoint's id.", show_default=False)]
DeliveryId = Annotated[uuid.UUID, typer.Argument(help="The delivery's id.", show_default=False)]
Payload = Annotated[str, typer.Option(help="As JSON, or @FILE.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: the same one makes no second message.")]
Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="How many a second.")]
Type = Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; several are allowed.")]
Since = Annotated[str | None, typer.Option(help="A time, or how long ago: 2026-11-25T09:30, 12h.")]

_ENDPOINT = (
    "id", "url", "description", "event_types", "timeout", "rate", "schedule", "ordered", "owner_email",
    "created_at",
    "disabled_at", "disabled_reason", "failing_since", "throttled_until",
)  # fmt: skip
_DELIVERY = (
    "id", "message_id", "endpoint_id", "url", "replay_of", "job_id", "attempts", "outcome", "next_attempt_at",
    "created_at", "ended_at",
)  # fmt: skip
_ATTEMPT = (
    "number", "started_at", "ended_at", "url", "request_headers", "status", "code", "error", "response_headers",
    "response_body", "truncated", "address", "timings", "next_attempt_at",
)  # fmt: skip


@endpoints.command("list")
def list_endpoints(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50, as_json: AsJson = False
) -> None:
    """The newest endpoints."""

    async def command(client: Client) -> list[WebhookEndpoint]:
        async with client.session() as session:
            return await webhook.endpoints(session, limit=limit)

    found = run(command)
    if as_json:
        print_json([_endpoint(one) for one in found])
        return
    table = Table(Column("id", no_wrap=True), Column("url", overflow="fold"), "types", "state")
    for one in found:
        types = "all" if one.event_types is None else ", ".join(one.event_types)
        table.add_row(str(one.id), escape(one.url), escape(types), escape(_state(one)))
    Console().print(table)


@endpoints.command("add")
def add_endpoint(
    url: Annotated[str, typer.Argument(help="Where events are posted to.", show_default=False)],
    description: Annotated[str, typer.Option(help="Whose it is, and what for.")] = "",
    event_type: Type = None,
    header: Annotated[list[str] | None, typer.Option(help="`Name: value`; sent with every request.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one request.")] = 15.0,
    rate: Annotated[float | None, typer.Option(help="Requests a second; no limit if not given.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="Seconds before the second try, the third …: 5,60,3600. WEBHOOK_SCHEDULE if not given."),
    ] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="One after the other.")] = False,
    owner_email: Annotated[str | None, typer.Option(help="Who is told when it fails, and when it is disabled.")] = None,
    asymmetric: Annotated[bool, typer.Option("--asymmetric", help="An ed25519 key instead of a secret.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint. Its secret is shown this once."""
    fields = webhook.EndpointFields(
        url=url, description=description, event_types=event_type or None, headers=_headers(header or []),
        timeout=timeout, rate=rate, schedule=_schedule(schedule), ordered=ordered, owner_email=owner_email,
    )  # fmt: skip

    async def command(client: Client) -> tuple[WebhookEndpoint, str]:
        async with client.session() as session:
            made = await webhook.create_endpoint(session, who(), fields, asymmetric=asymmetric)
            await session.commit()
            return made

    made, secret = run(command)
    if as_json:
        print_json(_endpoint(made) | {"secret": secret})
        return
    typer.echo(f"Endpoint {made.id}\nSecret   {secret}")
    if public := made.secrets[0]["public_key"]:
        typer.echo(f"Public   {public}  (what the receiver verifies with)")
    typer.echo("The secret is not shown again.")


@endpoints.command("show")
def show_endpoint(endpoint_id: EndpointId, as_json: AsJson = False) -> None:
    """One endpoint."""

    async def command(client: Client) -> WebhookEndpoint:
        async with client.session() as session:
            return await webhook.endpoint(session, endpoint_id)

    _print(_endpoint(run(command)), as_json)


@endpoints.command("remove")
def remove_endpoint(endpoint_id: EndpointId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete an endpoint with the record of its deliveries."""

    async def found(client: Client) -> tuple[WebhookEndpoint, int]:
        async with client.session() as session:
            return await webhook.endpoint(session, endpoint_id), await webhook_views.waiting(session, endpoint_id)

    async def command(client: Client) -> None:
        async with client.session() as session:
            await webhook.delete_endpoint(session, who(), endpoint_id)
            await session.commit()

    endpoint, waiting = run(found)
    number = f"{'At least ' if waiting >= webhook_views.CAP else ''}{waiting:,}"
    still = f"{number} {'delivery waits' if waiting == 1 else 'deliveries wait'} to be sent."
    confirm(f"{still} Delete the endpoint {endpoint.url} with the record of its deliveries?", yes)
    run(command)
    say(as_json, {"id": endpoint_id}, "It is deleted.")


@endpoints.command()
def enable(endpoint_id: EndpointId, as_json: AsJson = False) -> None:
    """Send it events again; `recover` sends what it missed."""

    async def command(client: Client) -> WebhookEndpoint:
        async with client.session() as session:
            found = await webhook.enable_endpoint(session, who(), endpoint_id)
            await session.commit()
            return found

    say(as_json, _endpoint(run(command)), f"It is enabled. callboard webhooks recover {endpoint_id} --since ...")


@endpoints.command()
def disable(
    endpoint_id: EndpointId,
    reason: Annotated[str, typer.Option(help="Why; its owner is told.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send it nothing more. What is published meanwhile is kept."""

    async def command(client: Client) -> WebhookEndpoint:
        async with client.session() as session:
            found = await webhook.disable_endpoint(session, who(), endpoint_id, reason)
            await session.commit()
            return found

    say(as_json, _endpoint(run(command)), "It is disabled.")


@endpoints.command()
def rotate(
    endpoint_id: EndpointId,
    keep_hours: Annotated[float, typer.Option(min=0, max=720, help="How long the old secrets sign too.")] = 24,
    asymmetric: Annotated[bool, typer.Option("--asymmetric", help="An ed25519 key instead of a secret.")] = False,
    as_json: AsJson = False,
) -> None:
    """A new secret, shown this once."""

    async def command(client: Client) -> str:
        async with client.session() as session:
            secret = await webhook.rotate_secret(
                session, who(), endpoint_id, asymmetric=asymmetric, keep=timedelta(hours=keep_hours)
            )
            await session.commit()
            return secret

    secret = run(command)
    say(as_json, {"secret": secret}, f"{secret}\nIt is not shown again.")


@endpoints.command("test")
def send_test_event(endpoint_id: EndpointId, as_json: AsJson = False) -> None:
    """Send it an event of the type webhook.test."""

    async def command(client: Client) -> webhook.Published:
        async with client.session() as session:
            sent = await webhook.send_test(session, endpoint_id)
            audit.note(session, who(), "webhook.endpoint.test", target=str(endpoint_id))
            await session.commit()
            return sent

    _sent(run(command), as_json)


@deliveries.command("list")
def list_deliveries(
    endpoint: Annotated[uuid.UUID | None, typer.Option(help="Only to this endpoint.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only these: succeeded, exhausted, skipped …")] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Only those that have not ended.")] = False,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest deliveries."""
    only = webhook.Filter(
        endpoint_id=endpoint,
        outcomes=[outcome] if outcome else None,
        since=None if since is None else past(since, "since"),
    )

    async def command(client: Client) -> list[WebhookDelivery]:
        async with client.session() as session:
            return await webhook.deliveries(session, only, pending=pending, limit=limit)

    found = run(command)
    if as_json:
        print_json([_columns(one, _DELIVERY) for one in found])
        return
    table = Table(Column("id", no_wrap=True), "to", "outcome", "attempts", "created")
    for one in found:
        to = str(one.endpoint_id or one.url)
        table.add_row(
            str(one.id), escape(to), one.outcome or "pending", str(one.attempts),
            f"{one.created_at:%Y-%m-%d %H:%M:%S} UTC",
        )  # fmt: skip
    Console().print(table)


@deliveries.command("show")
def show_delivery(delivery_id: DeliveryId, as_json: AsJson = False) -> None:
    """One delivery, and its attempts."""

    async def command(client: Client) -> tuple[WebhookDelivery, list[WebhookAttempt]]:
        async with client.session() as session:
            return await webhook.delivery(session, delivery_id), await webhook.attempts(session, delivery_id)

    found, attempts = run(command)
    if as_json:
        print_json(_columns(found, _DELIVERY) | {"attempt_log": [_columns(one, _ATTEMPT) for one in attempts]})
        return
    _print(_columns(found, _DELIVERY), False)
    console = Console()
    for one in attempts:
        came_to = one.status if one.status is not None else f"{one.code}: {one.error}"
        total = f" in {one.timings['total']:g} ms" if one.timings else ""
        console.print(
            f"{one.started_at:%Y-%m-%d %H:%M:%S} UTC  #{one.number}  {came_to}{total}", markup=False, highlight=False
        )


@app.command()
def replay(
    delivery: Annotated[uuid.UUID | None, typer.Argument(help="One delivery; or give a filter.")] = None,
    endpoint: Annotated[uuid.UUID | None, typer.Option(help="All to this endpoint.")] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="Those that ended so; several are allowed.")] = None,
    since: Since = None,
    event_type: Type = None,
    rate: Rate = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count those that match.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send again: one delivery, or by a job all that match."""
    has_filter = bool(endpoint or outcome or since or event_type)
    if delivery is not None:
        if has_filter or dry_run:
            raise BadArguments("Name a delivery, or say which by options: not both.", "delivery")
        _replay_one(delivery, as_json)
        return
    if not has_filter:
        raise BadArguments("Name a delivery, or say which: --endpoint, --outcome, --since, --type.", "delivery")
    only = webhook.Filter(
        endpoint_id=endpoint,
        outcomes=outcome or None,
        since=None if since is None else past(since, "since"),
        event_types=event_type or None,
    )
    _replay_matching(only, rate, dry_run=dry_run, yes=yes, as_json=as_json)


def _replay_one(delivery: uuid.UUID, as_json: bool) -> None:
    async def command(client: Client) -> uuid.UUID:
        async with client.session() as session:
            made = await webhook.replay(session, who(), delivery)
            await session.commit()
            return made

    made = run(command)
    say(as_json, {"delivery_id": made}, f"It is sent again: delivery_id {made}.")


@app.command("try")
def send_to(
    delivery: DeliveryId,
    url: Annotated[str, typer.Argument(help="Where to.", show_default=False)],
    secret: Annotated[str | None, typer.Option(help="whsec_…, to sign with.", envvar="WEBHOOK_SECRET")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a delivery to another address, once; its endpoint's headers and secrets stay away."""

    async def command(client: Client) -> uuid.UUID:
        async with client.session() as session:
            made = await webhook_trials.send_to(session, who(), delivery, url, secret=secret)
            await session.commit()
            return made

    made = run(command)
    say(as_json, {"delivery_id": made}, f"It is sent there: delivery_id {made}.")


def _replay_matching(only: webhook.Filter, rate: float, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Count, ask, start the job that does it."""

    async def matching(client: Client) -> int:
        async with client.session() as session:
            return await webhook_views.to_replay(session, only)

    async def command(client: Client) -> uuid.UUID:
        async with client.session() as session:
            job = await webhook.replay_matching(session, who(), only, rate=rate)
            await session.commit()
            return job

    count = run(matching)
    is_exact = count < webhook_views.CAP
    deliveries = f"{'' if is_exact else 'at least '}{count:,} {'delivery' if count == 1 else 'deliveries'}"
    if dry_run:
        say(as_json, {"deliveries": count, "is_exact": is_exact}, f"{deliveries} would be sent again.")
        return
    confirm(f"Send again {deliveries}, {rate:g} a second?", yes)
    job = run(command)
    document = {"job_id": job, "deliveries": count, "is_exact": is_exact}
    say(as_json, document, f"They are sent again: job_id {job}.")


@app.command()
def recover(
    endpoint_id: EndpointId,
    since: Annotated[str, typer.Option(help="A time, or how long ago: 2026-11-25T09:30, 12h.", show_default=False)],
    rate: Rate = 20.0,
    as_json: AsJson = False,
) -> None:
    """Send an endpoint what it has missed since then, by a job."""
    moment = past(since, "since")

    async def command(client: Client) -> uuid.UUID:
        async with client.session() as session:
            job = await webhook.recover(session, who(), endpoint_id, moment, rate=rate)
            await session.commit()
            return job

    job = run(command)
    say(as_json, {"job_id": job}, f"It is sent again by job {job}.")


@app.command()
def send(
    url: Annotated[str, typer.Argument(help="Where to.", show_default=False)],
    payload: Payload = "{}",
    secret: Annotated[str | None, typer.Option(help="whsec_…, to sign with.", envvar="WEBHOOK_SECRET")] = None,
    header: Annotated[list[str] | None, typer.Option(help="`Name: value`.")] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Post a payload to one address that is no endpoint."""
    value, headers = json_value(payload, "payload"), _headers(header or [])

    async def command(client: Client) -> webhook.Published:
        async with client.session() as session:
            sent = await webhook.send(session, url, value, secret=secret, headers=headers, idempotency_key=key)
            _note(session, "webhook.send", sent, url=masking().text(url))
            await session.commit()
            return sent

    _sent(run(command), as_json)


@app.command()
def publish(
    event_type: Annotated[str, typer.Argument(help="One of WEBHOOK_EVENT_TYPES.", show_default=False)],
    payload: Payload = "{}",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Tell every endpoint that wants events of this type."""
    value = json_value(payload, "payload")

    async def command(client: Client) -> webhook.Published:
        async with client.session() as session:
            sent = await webhook.publish(session, event_type, value, idempotency_key=key)
            _note(session, "webhook.publish", sent, event_type=event_type)
            await session.commit()
            return sent

    _sent(run(command), as_json)


def _note(session: AsyncSession, action: str, sent: webhook.Published, **details: str) -> None:
    """What was there already is in the audit already."""
    if sent.created:
        audit.note(session, who(), action, target=webhook.message_name(sent.message_id), details=details)


def _sent(sent: webhook.Published, as_json: bool) -> None:
    document = {"message_id": sent.message_id, "created": sent.created, "deliveries": sent.deliveries}
    text = f"Message {sent.message_id}: {sent.deliveries} deliveries."
    say(as_json, document, text if sent.created else f"Message {sent.message_id} was there already.")


def _print(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    console = Console()
    for name, value in document.items():
        if value not in (None, [], ""):
            console.print(f"{name:>16}  {value}", markup=False, highlight=False)


def _state(found: WebhookEndpoint) -> str:
    if found.disabled_at is not None:
        return f"disabled: {found.disabled_reason}"
    return "failing" if found.failing_since else "enabled"


def _endpoint(found: WebhookEndpoint) -> dict[str, Any]:
    secrets = [{name: one[name] for name in ("hint", "public_key", "expires_at")} for one in found.secrets]
    return _columns(found, _ENDPOINT) | {"header_names": webhook.header_names(found), "secrets": secrets}


def _columns(row: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _schedule(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(delay) for delay in text.split(",")]
    except ValueError:
        raise BadArguments(f"--schedule {text[:50]!r} is no list of seconds: 5,60,3600.", "schedule") from None


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadArguments(f"--header {line!r} is not `Name: value`.", "header")
        headers[name.strip()] = value.strip()
    return headers
