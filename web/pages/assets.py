"""Style sheets, scripts and pictures: each under a name that changes with its content, so it may be kept for ever."""

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from web.route import TimedRoute

FOLDER = Path(__file__).parents[1] / "static"
PREFIX = "/static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

router = APIRouter(route_class=TimedRoute)


@cache
def files() -> dict[str, str]:
    """What is served: the digest of each file, by its name in `static/`."""
    found = (path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in found}


def asset(name: str) -> str:
    """The address of a file of `static/`. Raises KeyError for one that is not there."""
    return f"{PREFIX}/{files()[name]}/{name}"


@cache
def content(name: str, is_packed: bool) -> bytes:
    """A file of `static/`, as it is or in gzip (RFC 1952). There are few, and small: they stay in memory."""
    plain = (FOLDER / name).read_bytes()
    return gzip.compress(plain, mtime=0) if is_packed else plain


@router.get(PREFIX + "/{digest}/{name:path}")
async def one(request: Request, digest: str, name: str) -> Response:
    if files().get(name) != digest:  # an old page's: it asks again when it is loaded anew
        raise HTTPException(404)
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    return Response(
        content(name, is_packed),
        media_type=TYPES[Path(name).suffix],
        headers={
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            **({"Content-Encoding": "gzip"} if is_packed else {}),
        },
    )
