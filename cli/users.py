"""`callboard users …`: people, their roles and passwords."""

import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.output import AsJson, print_json, say
from cli.session import run
from cli.who import who
from db.models import User
from runtime.client import Client
from services import users

app = typer.Typer(help="People: who may sign in to the console, and in which role.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]
Role = Annotated[str, typer.Option(help="viewer (looks), operator (acts on jobs) or admin (accounts too).")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it alone.")]


@app.command()
def create(
    name: Name,
    role: Role = "viewer",
    generate: Generate = False,
    without: Annotated[
        bool, typer.Option("--no-password", help="Signs in through the identity provider only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """A new user; the password is asked for, read from standard input, or made."""
    password = None if without else _password(generate)
    made = _change(name, lambda session: users.create(session, who(), name, role, password))
    _say(as_json, made, f"The user {name} exists, as {role}.", password if generate else None)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Everybody."""

    async def command(client: Client) -> list[User]:
        async with client.session() as session:
            return await users.listed(session)

    found = [_document(user) for user in run(command)]
    if as_json:
        print_json(found)
    elif found:
        table = Table("name", "role", "signs in with", "last signed in", "state")
        for user in found:
            state = "disabled" if user["disabled_at"] else ""
            last = f"{user['last_login_at']:%Y-%m-%d %H:%M} UTC" if user["last_login_at"] else "never"
            table.add_row(escape(user["name"]), user["role"], user["signs_in_with"], last, state)
        Console().print(table)
    else:
        typer.echo("There is no user yet. Make the first one: callboard users create admin --role admin")


@app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Shut a user out, now, signed in or not."""
    changed = _change(name, lambda session: users.disable(session, who(), name))
    say(as_json, changed, f"{name} is shut out. `callboard users enable {name}` lets them in again.")


@app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let a user in again."""
    changed = _change(name, lambda session: users.enable(session, who(), name))
    say(as_json, changed, f"{name} may sign in again.")


@app.command("set-role")
def set_role(
    name: Name,
    role: Annotated[str, typer.Argument(help="viewer, operator or admin.")],
    as_json: AsJson = False,
) -> None:
    """Change what a user may do, from the next request on."""
    changed = _change(name, lambda session: users.set_role(session, who(), name, role))
    say(as_json, changed, f"{name} is {role} now.")


@app.command("set-password")
def set_password(name: Name, generate: Generate = False, as_json: AsJson = False) -> None:
    """Set a user's password, and sign the user out everywhere."""
    password = _password(generate)
    changed = _change(name, lambda session: users.set_password(session, who(), name, password))
    sentence = f"{name} has a new password and is signed out everywhere."
    _say(as_json, changed, sentence, password if generate else None)


@app.command("sign-out")
def sign_out(name: Name, as_json: AsJson = False) -> None:
    """End all sessions of a user."""

    async def command(client: Client) -> int:
        async with client.session() as session:
            ended = await users.sign_out_everywhere(session, who(), name)
            await session.commit()
            return ended

    ended = run(command)
    say(as_json, {"name": name, "sessions": ended}, f"{ended} sessions of {name} are over.")


def _change(name: str, act: Callable[[AsyncSession], Awaitable[object]]) -> dict[str, Any]:
    """Do it. Returns the user as it is then."""

    async def command(client: Client) -> dict[str, Any]:
        async with client.session() as session:
            await act(session)
            await session.commit()
            return _document(await users.get(session, name))

    return run(command)


def _password(generate: bool) -> str:
    """Never an argument: those stand in the shell's history and in the list of processes."""
    if generate:
        return secrets.token_urlsafe(16)
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def _say(as_json: bool, user: dict[str, Any], sentence: str, made: str | None) -> None:
    """A made password alone on standard output, for scripts."""
    if made is None:
        say(as_json, user, sentence)
    elif as_json:
        print_json({**user, "password": made})
    else:
        typer.echo(sentence, err=True)
        typer.echo(made)


def _document(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "signs_in_with": "password" if user.password_hash else "identity provider",
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
        "disabled_at": user.disabled_at,
    }
