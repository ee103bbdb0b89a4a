"""/errors: what fails, as groups; /errors/FINGERPRINT: one of them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from errors import BadArguments
from services import errors, releases
from services.callers import Caller
from web.caller import CurrentCaller
from web.pages import flash, traceback
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HOURS = {"24h": 24, "7d": 168, "30d": 720}
Period = Literal["24h", "7d", "30d"]
Fingerprint = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@router.get("/errors")
async def page(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    period: Annotated[Period, Query()] = "24h",
    show: Annotated[errors.Show, Query()] = "open",
    actor: Annotated[str, Query(max_length=500)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    if text:
        caller.require_search_within()
    found = await errors.groups(session, HOURS[period], actor=actor or None, show=show, text=text or None)
    return render(
        request, "errors.html", groups=found, period=period, periods=list(HOURS), show=show, actor=actor, text=text
    )


@router.get("/errors/{fingerprint}")
async def one(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    fingerprint: Fingerprint,
    period: Annotated[Period, Query()] = "7d",
) -> Response:
    return await _page(request, session, caller, fingerprint, period)


@router.post("/errors/{fingerprint}/issue")
async def link(
    request: Request, session: Transaction, caller: CurrentCaller, fingerprint: Fingerprint,
    url: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """The group has this issue now; or its page again, with what is wrong."""
    caller.require("operate")
    try:
        await errors.link(session, fingerprint, url.strip(), who=caller.name)
    except BadArguments as error:
        return await _page(request, session, caller, fingerprint, "7d", url, str(error))
    return flash.redirect(f"/errors/{fingerprint}", "The issue is linked.")


@router.post("/errors/{fingerprint}/issue/remove")
async def unlink(session: Transaction, caller: CurrentCaller, fingerprint: Fingerprint) -> Response:
    caller.require("operate")
    await errors.unlink(session, fingerprint, who=caller.name)
    return flash.redirect(f"/errors/{fingerprint}", "The issue is taken off.")


@router.post("/errors/{fingerprint}/{verb}")
async def act(
    session: Transaction,
    caller: CurrentCaller,
    fingerprint: Fingerprint,
    verb: Literal["mute", "resolve"],
    on: Annotated[bool, Form()],
) -> Response:
    caller.require("operate")
    change = errors.mute if verb == "mute" else errors.resolve
    await change(session, fingerprint, who=caller.name, on=on)
    said = {
        ("mute", True): "It is muted.", ("mute", False): "It is shown again.",
        ("resolve", True): "It is resolved. Should it be seen again, it has returned.",
        ("resolve", False): "It is open again.",
    }  # fmt: skip
    return flash.redirect(f"/errors/{fingerprint}", said[verb, on])


async def _page(
    request: Request, session: AsyncSession, caller: Caller, fingerprint: str, period: Period,
    typed: str = "", wrong: str = "",
) -> Response:  # fmt: skip
    sample = await errors.sample(session, fingerprint, HOURS[period])
    release = await releases.at(session, sample.group.first_seen_at)
    [parts] = await traceback.shown([sample.attempt.traceback if sample.attempt else None], caller)
    return render(
        request, "error_group.html", status=422 if wrong else 200, sample=sample, group=sample.group, period=period,
        periods=list(HOURS), parts=parts, looked_at=errors.LOOKED_AT, release=release,
        typed=typed, wrong=wrong, longest=errors.LONGEST_URL,
    )  # fmt: skip
