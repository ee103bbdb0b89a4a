"""The first account on this machine: made when there is none, shown for as long as it opens the door."""

from local import home
from local.machine import Machine
from runtime.client import Client
from services import users

NAME = "admin"
# In another terminal.
COMMANDS = 'eval "$(.venv/bin/python -m local env)"; .venv/bin/callboard --help'


async def first_admin(machine: Machine) -> str:
    """How to sign in, in words. Its password is kept in CALLBOARD_HOME, which is closed to others."""
    password = home.secret(machine.home / "password")
    async with Client.open(machine.settings) as client, client.session() as session:
        everybody = await users.listed(session)
        if not everybody:
            everybody = [await users.create(session, "local", NAME, "admin", password)]
            await session.commit()
        for user in everybody:
            if user.name == NAME and await users.matches(password, user.password_hash):
                return f"as {NAME} with the password {password}"
    return f"with your own account (`.venv/bin/callboard users set-password {NAME}` sets a password)"
