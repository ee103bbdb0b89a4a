"""`make demo`: three real e-mails through the whole stack, and their lives as they happen."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import httpx
from rich.console import Console

from db.migrate import upgrade
from db.models import Job
from errors import DemoFailed
from local.catcher import Catcher
from local.lives import Lives
from local.login import COMMANDS, first_admin
from local.machine import Machine
from local.stack import Stack
from local.steps import Steps
from runtime.client import Client
from services import email, jobs
from services.jobs import Options

START_TIMEOUT = 60.0
END_TIMEOUT = 90.0
POLL = 0.1

LATER = "451 4.3.0 Try again later"
NEVER = "554 5.7.1 Refused"  # not 5.1.1: a mailbox that does not exist gets no second mail, and no second demo


@dataclass(frozen=True)
class Mail:
    """A mail and how its job should end: in which state, on which attempt, with how many mails caught."""

    to: str
    subject: str
    state: str
    attempt: int
    caught: int


MAILS = (
    Mail("ada@example.com", "It arrives at once", "succeeded", attempt=1, caught=1),
    Mail("grace@example.com", "It is refused twice, then accepted", "succeeded", attempt=3, caught=1),
    Mail("nobody@example.com", "It can never be delivered", "failed", attempt=1, caught=0),
)


def catcher() -> Catcher:
    return Catcher({"grace@example.com": iter([LATER, LATER]), "nobody@example.com": repeat(NEVER)})


async def play(machine: Machine, console: Console, once: bool, began: float) -> None:
    """Show it, and stay until Ctrl-C unless `once`. Raises DemoFailed when a job did not end as it should."""
    steps = Steps(console)
    async with catcher().listening() as mailbox:
        with steps.step("Migrations"):
            await upgrade(machine.settings)
            login = await first_admin(machine)
        stack = Stack(machine.home, machine.environment | deliver_to(mailbox))
        with stack.held():
            with steps.step(", ".join(part.name for part in stack.parts)):
                stack.start()
                await answers(f"{machine.url}/ready", stack)
            show_addresses(console, machine, login)
            async with Client.open(machine.settings) as client:
                ids = await enqueue(client)
                ended = await follow(client, ids, stack, console, began)
            verify(ended, mailbox)
            console.print(
                "All three ended as they should: two mails arrived, one failed and kept its reason.", soft_wrap=True
            )
            if not once:
                console.print("Everything keeps running. Ctrl-C stops it.")
                await stay(stack)


def deliver_to(mailbox: Catcher) -> dict[str, str]:
    """The settings that send all mail of the stack to the catcher, whatever else is configured."""
    return {
        "EMAIL_PROVIDER": "smtp",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mailbox.port),
        "SMTP_SECURITY": "none",
        "SMTP_USERNAME": "",
        "SMTP_PASSWORD": "",
    }


async def answers(url: str, stack: Stack) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        while True:
            stack.check()
            try:
                response = await http.get(url)
                if response.is_success:
                    return
                said = response.text
            except httpx.TransportError as error:
                said = repr(error)
            if time.monotonic() > deadline:
                raise DemoFailed(f"{url} did not answer well within {START_TIMEOUT:g} s. It last said: {said}")
            await asyncio.sleep(POLL)


def show_addresses(console: Console, machine: Machine, login: str) -> None:
    console.print(
        f"\n  The console      {machine.url}"
        f"\n  Sign in          {login}"
        f"\n  The API          {machine.url}/api/v1/openapi.json"
        f"\n  Logs             {machine.home}/logs"
        f"\n  Commands         {COMMANDS}\n",
        highlight=False,
        soft_wrap=True,
    )


async def enqueue(client: Client) -> list[uuid.UUID]:
    """In one transaction, as a caller would: the mails leave once it has committed."""
    async with client.session() as session:
        enqueued = [
            await email.send(
                session,
                to=mail.to,
                subject=mail.subject,
                text="Sent by the demo.",
                options=Options(max_retries=3, min_backoff=500, tags=[mail.to]),
            )
            for mail in MAILS
        ]
        await session.commit()
    return [job.id for job in enqueued]


async def follow(client: Client, ids: Sequence[uuid.UUID], stack: Stack, console: Console, began: float) -> list[Job]:
    """Show the jobs until the last has ended."""
    deadline, first = time.monotonic() + END_TIMEOUT, 0.0
    lives = Lives(console)
    with lives.shown():
        while True:
            stack.check()
            async with client.session() as session:
                found = [await jobs.get(session, job_id) for job_id in ids]
            lives.update(found)
            ended = [job for job in found if job.finished_at]
            first = first or (time.time() if ended else 0.0)
            if len(ended) == len(found):
                break
            if time.monotonic() > deadline:
                raise DemoFailed(f"The jobs did not end within {END_TIMEOUT:g} s. Look into {stack.logs}.")
            await asyncio.sleep(POLL)
    console.print(f"\nThe first job had finished {first - began:.1f} s after the start.", highlight=False)
    return found


def verify(ended: Sequence[Job], mailbox: Catcher) -> None:
    """Raises DemoFailed unless both the rows and the mails are what they should be."""
    for mail, job in zip(MAILS, ended, strict=True):
        caught = len(mailbox.received(mail.to))
        if (job.state, job.attempt, caught) != (mail.state, mail.attempt, mail.caught):
            raise DemoFailed(
                f"The mail to {mail.to} should be {mail.state} on attempt {mail.attempt}, having arrived {mail.caught} "
                f"times; it is {job.state} on attempt {job.attempt}, having arrived {caught} times. Error: {job.error}"
            )


async def stay(stack: Stack) -> None:
    while True:
        stack.check()
        await asyncio.sleep(1)
