"""/settings/masking: what is never shown, and a box to try it in."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Form, Request, Response

from services.masking import masking, rules
from web.pages.rendering import render
from web.route import TimedRoute

router = APIRouter(route_class=TimedRoute)

SAMPLE = '{"to": "ada@example.com", "api_key": "abc", "note": "Authorization: Bearer 0123456789abcdef"}'


@router.get("/settings/masking")
async def page(request: Request) -> Response:
    return _page(request, "", SAMPLE)


@router.post("/settings/masking")
async def attempt(
    request: Request,
    name: Annotated[str, Form(max_length=500)] = "",
    value: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """What was typed, masked. It is written down nowhere."""
    return _page(request, name, value)


def _page(request: Request, name: str, value: str) -> Response:
    return render(
        request, "settings/masking.html", rules=rules(), name=name, value=value, shown=_shown(name.strip(), value)
    )


def _shown(name: str, value: str) -> str:
    """Of JSON as an argument of that name, of anything else as text."""
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return str(masking().value(value, name))
    return orjson.dumps(masking().value(parsed, name), option=orjson.OPT_INDENT_2).decode()
