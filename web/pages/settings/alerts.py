"""/settings/alerts: what people are told of, who is told, what they were told lately, and a test."""

from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response

from errors import Conflict
from services import alerts, audit
from settings import Settings
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.formats import duration
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HOME = "/settings/alerts"


class Condition(NamedTuple):
    """What people are told of."""

    level: str
    what: str
    setting: str = ""  # that says when


def conditions(settings: Settings) -> list[Condition]:
    """Of health people are told once when it gets worse, and once when it is better."""
    warning, critical = _length(settings.health_wait_warning), _length(settings.health_wait_critical)
    return [
        Condition("critical", "No scheduler leads"),
        Condition("critical", "Redis does not answer"),
        Condition("critical", f"A job has been due for {critical}", "HEALTH_WAIT_CRITICAL"),
        Condition("critical", f"A job has been due for {warning} in a queue that no worker takes from",
                  "HEALTH_WAIT_WARNING"),
        Condition("critical", f"No health check for {_length(settings.health_silence)}", "HEALTH_SILENCE"),
        Condition("critical", "A provider refuses our credentials, and mails wait"),
        Condition("warning", f"A job has been due for {warning}", "HEALTH_WAIT_WARNING"),
        Condition("warning", "A worker gives no sign of life", "WORKER_LEASE"),
        Condition("warning", f"PostgreSQL or Redis takes longer than {_length(settings.health_latency)}",
                  "HEALTH_LATENCY"),
        Condition("warning", "Nine tenths of PostgreSQL's connections, or of Redis's memory, are in use"),
        Condition("warning", "Redis may throw messages away (maxmemory-policy)"),
    ]  # fmt: skip


@router.get(HOME)
async def page(request: Request, session: Transaction) -> Response:
    settings: Settings = request.app.state.settings
    tests = await audit.page(session, audit.Filter(action=alerts.TEST), limit=1)
    last: dict[str, Any] = {"row": tests[0], "outcome": await alerts.outcome(session, tests[0])} if tests else {}
    return render(
        request, "settings/alerts.html", channels=alerts.channels(), conditions=conditions(settings),
        window=_length(settings.alert_window), sent=await alerts.latest(session), test=last,
    )  # fmt: skip


@router.post(f"{HOME}/test")
async def test(session: Transaction, caller: CurrentCaller) -> Response:
    """Send one, in earnest."""
    caller.require("admin")
    try:
        sent = await alerts.send_test(session, caller.name)
    except Conflict as error:
        return flash.redirect(HOME, str(error), bad=True)
    number = len(sent.emails) + len(sent.messages)
    return flash.redirect(HOME, f"A test is on its way to {number}. What becomes of it is shown below.")


def _length(seconds: float) -> str:
    return duration(seconds).replace(".0 ", " ")
