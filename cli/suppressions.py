"""`callboard suppressions …`: addresses that get no mail."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json
from cli.session import run
from cli.who import who
from db.models import Suppression
from runtime.client import Client
from services import suppressions

app = typer.Typer(help="The suppression list: addresses that get no mail.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The e-mail address.", show_default=False)]


@app.command("list")
def list_(
    address: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    reason: Annotated[str | None, typer.Option(help="hard_bounce, complaint, unsubscribe or manual.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """The newest entries."""

    async def command(client: Client) -> list[Suppression]:
        async with client.session() as session:
            return await suppressions.listed(session, limit, address=address, reason=reason)

    found = run(command)
    if as_json:
        names = ("address", "reason", "mailing_list", "note", "added_by", "created_at", "expires_at")
        print_json([{name: getattr(entry, name) for name in names} for entry in found])
        return
    table = Table("address", "reason", "list", "since", "until", "note")
    for entry in found:
        until = f"{entry.expires_at:%Y-%m-%d}" if entry.expires_at else ""
        since = f"{entry.created_at:%Y-%m-%d}"
        table.add_row(escape(entry.address), entry.reason, escape(entry.mailing_list), since, until,
                      escape(entry.note or ""))  # fmt: skip
    Console().print(table)


@app.command()
def add(
    address: Address,
    mailing_list: Annotated[str | None, typer.Option("--list", help="Only mail of this list; else all.")] = None,
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send no more mail to an address."""

    async def command(client: Client) -> None:
        async with client.session() as session:
            await suppressions.add(session, address, who(), mailing_list=mailing_list, note=note)
            await session.commit()

    run(command)
    if as_json:
        print_json({"address": address.lower(), "suppressed": True})
    else:
        typer.echo(f"{address} gets no more mail{f' of {mailing_list}' if mailing_list else ''}.")


@app.command()
def remove(
    address: Address,
    reason: Annotated[str | None, typer.Option(help="Only the entry of this reason; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send mail to an address again."""

    async def command(client: Client) -> list[str]:
        async with client.session() as session:
            reasons = await suppressions.remove(session, address, who(), reason=reason)
            await session.commit()
            return reasons

    reasons = run(command)
    if as_json:
        print_json({"address": address.lower(), "removed": reasons})
    else:
        typer.echo(f"{address} gets mail again (it was listed for: {', '.join(reasons)}).")
