"""/login and /logout: a person's browser gets a session, and gives it back."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from errors import TooMany, Unauthorized
from runtime.client import Client
from services import sign_in
from settings import Settings
from web import cookies
from web.caller import CurrentCaller, address_of
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)


@router.get("/login")
async def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 (the name of the parameter)
    """The page. Whoever is signed in already may sign in as somebody else."""
    return form(request, next)


@router.post("/login")
async def log_in(request: Request, session: Transaction) -> Response:
    """A new session, always with a new token: one that was planted in the browser is worth nothing."""
    fields = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    to = fields.get("next", "/")
    settings: Settings = request.app.state.settings
    client: Client = request.app.state.client
    try:
        token = await sign_in.with_password(
            client.database,
            session,
            fields.get("name", ""),
            fields.get("password", ""),
            address=address_of(request.scope),
            browser=request.headers.get("user-agent", ""),
            settings=settings,
        )
    except Unauthorized as error:
        return form(request, to, 401, str(error), fields.get("name", ""))
    except TooMany as error:
        refused = form(request, to, 429, str(error), fields.get("name", ""))
        refused.headers["Retry-After"] = str(int(error.retry_after) + 1)
        return refused
    return await entered(request, session, token, to)


@router.post("/logout")
async def log_out(request: Request, session: Transaction, caller: CurrentCaller) -> Response:
    """End the session of this browser."""
    if caller.session_token:
        await sign_in.close_session(session, caller.session_token)
    response = RedirectResponse("/login", 303)
    cookies.put(response, cookies.session_name(request.scope, request.app.state.settings), "", 0)
    return response


async def entered(request: Request, session: Transaction, token: str, to: str) -> Response:
    """The browser has this session now, and the one that it had before is over."""
    settings: Settings = request.app.state.settings
    name = cookies.session_name(request.scope, settings)
    if request.cookies.get(name):
        await sign_in.close_session(session, request.cookies[name])
    response = RedirectResponse(inside(to), 303)
    cookies.put(response, name, token, settings.session_hours * 3600)
    return response


def inside(address: str) -> str:
    """The address if it is a path of ours, else the first page: nobody is sent to another site (CWE-601)."""
    try:
        parts = urlsplit(address)
    except ValueError:  # half of an IPv6 address
        return "/"
    # Browsers take `//host`, `///host` and `/\host` for another site.
    elsewhere = parts.scheme or parts.netloc or address.startswith("//") or "\\" in address
    return address if address.startswith("/") and address.isprintable() and not elsewhere else "/"


def form(request: Request, to: str, status: int = 200, message: str = "", name: str = "") -> Response:
    """The page, with what was wrong the last time."""
    settings: Settings = request.app.state.settings
    oidc = settings.oidc_issuer is not None
    return render(request, "login.html", status=status, next=inside(to), message=message, name=name, oidc=oidc)
