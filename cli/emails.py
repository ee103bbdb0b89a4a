"""`callboard emails …`: what became of mails, and what a template makes."""

import uuid
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli.confirm import Yes, confirm
from cli.output import AsJson, print_json, say
from cli.session import run
from cli.times import past
from cli.values import json_object
from cli.who import who
from db.models import Email, EmailEvent
from errors import BadArguments
from runtime.client import Client
from services import email, email_resending
from services.jobs import Enqueued

app = typer.Typer(help="E-mails: list, show, send again, preview.", no_args_is_help=True)

Id = Annotated[uuid.UUID, typer.Argument(help="The mail's id.", show_default=False)]
Answer = Annotated[str | None, typer.Option(help="Only those of which this was answered: 550, 5.7.1, full.")]

_COLUMNS = (
    "id", "job_id", "status", "subject", "addresses", "template", "mailing_list", "tags", "policy", "provider",
    "provider_id", "attempts", "accepted", "refused", "suppressed", "error", "created_at", "sent_at", "updated_at",
)  # fmt: skip


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="Only these: unknown, failed, bounced …")] = None,
    to: Annotated[str | None, typer.Option(help="Only those to this address.")] = None,
    answer: Answer = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest mails."""

    async def command(client: Client) -> list[Email]:
        async with client.session() as session:
            return await email.recent(session, limit, status=status, address=to, answer=answer)

    found = run(command)
    if as_json:
        print_json([_document(mail) for mail in found])
        return
    table = Table(Column("id", no_wrap=True), "status", "to", "subject", "created")
    for mail in found:
        more = f" and {len(mail.addresses) - 1} more" if len(mail.addresses) > 1 else ""
        table.add_row(
            str(mail.id), mail.status, escape(mail.addresses[0] + more), escape(mail.subject),
            f"{mail.created_at:%Y-%m-%d %H:%M:%S} UTC",
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(email_id: Id, as_json: AsJson = False) -> None:
    """One mail, and what was said of it."""

    async def command(client: Client) -> tuple[Email, list[EmailEvent]]:
        async with client.session() as session:
            return await email.get(session, email_id), await email.events(session, email_id)

    mail, events = run(command)
    if as_json:
        told = [
            {name: getattr(event, name)
             for name in ("type", "recipient", "provider", "occurred_at", "reason", "description")}
            for event in events
        ]  # fmt: skip
        print_json(_document(mail) | {"events": told})
        return
    console = Console()
    for name, value in _document(mail).items():
        if value not in (None, []):
            console.print(f"{name:>13}  {value}", markup=False, highlight=False)
    for event in events:
        said = event.description or event.reason or ""
        line = f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC  {event.type:<12} {event.recipient}  {said}"
        console.print(line, markup=False, highlight=False)


@app.command()
def resend(
    email_id: Annotated[uuid.UUID | None, typer.Argument(help="One mail; or give a status.")] = None,
    status: Annotated[str | None, typer.Option(help="All that are so: failed, rejected, unknown …")] = None,
    since: Annotated[str | None, typer.Option(help="A time, or how long ago: 2026-11-25T09:30, 12h.")] = None,
    to: Annotated[str | None, typer.Option(help="Only those to this address.")] = None,
    answer: Answer = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="How many a second.")] = 20.0,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the audit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count those that match.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send again what did not get to everybody, or of which nobody knows: one mail, or by a job all of a status."""
    if (email_id is None) is (status is None):
        raise BadArguments("Name a mail, or say which by --status: one of both.", "email_id")
    if email_id is not None:
        _resend_one(email_id, reason, as_json)
        return
    only = email_resending.Filter(
        status=status or "", since=None if since is None else past(since, "since"), address=to, answer=answer
    )
    _resend_matching(only, rate, reason, dry_run=dry_run, yes=yes, as_json=as_json)


def _resend_matching(
    only: email_resending.Filter, rate: float, reason: str | None, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Count, ask, start the job that does it."""

    async def matching(client: Client) -> email_resending.Count:
        async with client.session() as session:
            return await email_resending.count(session, only)

    async def command(client: Client) -> uuid.UUID:
        async with client.session() as session:
            job = await email_resending.start(session, who(), only, rate=rate, reason=reason)
            await session.commit()
            return job

    count = run(matching)
    document: dict[str, Any] = {"emails": count.mails, "is_exact": not count.is_capped}
    emails = f"{'at least ' if count.is_capped else ''}{count.mails:,} {'e-mail' if count.mails == 1 else 'e-mails'}"
    if dry_run:
        say(as_json, document, f"{emails} would be sent again.")
        return
    confirm(f"Send again {emails}, {rate:g} a second?", yes)
    job = run(command)
    say(as_json, {"job_id": job} | document, f"They are sent again: job_id {job}.")


def _resend_one(email_id: uuid.UUID, reason: str | None, as_json: bool) -> None:
    async def command(client: Client) -> Enqueued:
        async with client.session() as session:
            enqueued = await email.resend(session, email_id, who(), reason)
            await session.commit()
            return enqueued

    enqueued = run(command)
    if as_json:
        print_json({"job_id": str(enqueued.id)})
    else:
        typer.echo(f"It is sent again, by job {enqueued.id}. Who has it already gets no second one.")


@app.command()
def preview(
    template: Annotated[str, typer.Argument(help="The template's name.", show_default=False)],
    data: Annotated[str, typer.Option(help="Its data as JSON, or @FILE.")] = "{}",
    html: Annotated[bool, typer.Option("--html", help="The HTML instead of the text.")] = False,
    eml: Annotated[bool, typer.Option("--eml", help="The whole mail, for a mail program.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a template makes of some data. Nothing is sent."""
    message = email.preview(template, json_object(data, "data"))
    if as_json:
        print_json({"subject": message.subject, "text": message.text, "html": message.html})
    elif eml:
        typer.echo(message.as_bytes().decode())
    elif html:
        typer.echo(message.html or "")
    else:
        typer.echo(f"Subject: {message.subject}\n\n{message.text}")


def _document(mail: Email) -> dict[str, Any]:
    return {name: getattr(mail, name) for name in _COLUMNS} | {"id": str(mail.id), "job_id": str(mail.job_id)}
