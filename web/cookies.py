"""The cookies we set: for this host alone, out of scripts' reach, and not sent with other sites' forms."""

from starlette.responses import Response
from starlette.types import Scope

from settings import Settings

SESSION = "callboard_session"
OIDC = "callboard_oidc"


def is_secure(scope: Scope, settings: Settings) -> bool:
    """Whether the browser reaches us by HTTPS, directly or through a proxy."""
    return scope["scheme"] == "https" or (settings.public_url is not None and settings.public_url.scheme == "https")


def session_name(scope: Scope, settings: Settings) -> str:
    return _name(SESSION, is_secure(scope, settings))


def oidc_name(scope: Scope, settings: Settings) -> str:
    return _name(OIDC, is_secure(scope, settings))


def put(response: Response, name: str, value: str, seconds: float) -> None:
    """Set one. An empty value takes it away."""
    response.set_cookie(
        name,
        value,
        max_age=int(seconds) if value else 0,
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="lax",
    )


def _name(name: str, secure: bool) -> str:
    """`__Host-`: the browser takes it from this host over HTTPS only, so no neighbour can plant one."""
    return f"__Host-{name}" if secure else name
