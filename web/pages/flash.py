"""What has just been done, said on the next page: a cookie that lasts until it is shown."""

from urllib.parse import quote, unquote

from fastapi import Request, Response
from starlette.responses import RedirectResponse

NAME = "callboard_flash"
_SECONDS = 30
_LONGEST = 500


def redirect(to: str, message: str, *, bad: bool = False) -> RedirectResponse:
    """After a form: to a page of ours that says so."""
    response = RedirectResponse(to, 303)
    text = ("bad " if bad else "ok ") + message[:_LONGEST]
    response.set_cookie(NAME, quote(text), max_age=_SECONDS, path="/", httponly=True, samesite="lax")
    return response


def take(request: Request) -> tuple[str, str] | None:
    """("ok" or "bad", the message), if there is one to be shown."""
    kind, _, message = unquote(request.cookies.get(NAME, "")).partition(" ")
    return (kind, message) if kind in ("ok", "bad") and message else None


def forget(response: Response) -> None:
    response.delete_cookie(NAME, path="/", httponly=True, samesite="lax")
