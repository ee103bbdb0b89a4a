"""From a template to a response: a whole page, or the one block of it that the page's script asked for."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from web.csrf import csrf_token
from web.headers import PAGES as PAGES_TRUST
from web.pages import flash
from web.pages.assets import asset
from web.pages.formats import FILTERS
from web.pages.navigation import PAGES

FOLDER = Path(__file__).parents[1] / "templates"

environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.filters |= FILTERS
environment.tests["contains"] = lambda values, value: value in values
environment.globals |= {"asset": asset, "pages": PAGES}
environment.globals["ui"] = environment.get_template("ui.html").module

HEADERS = {**PAGES_TRUST, "Vary": "HX-Target"}


def wanted(request: Request) -> str | None:
    """The block that the page's script asks for (htmx names the element it will fill), None for the whole page."""
    if request.headers.get("hx-request") != "true":
        return None
    return request.headers.get("hx-target", "").partition("#")[2] or None


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """The page; of it only the block called like the element that is to be filled, where a script asks for one."""
    found = environment.get_template(template)
    values = {
        "request": request,
        "caller": getattr(request.state, "caller", None),  # nobody on the sign-in page
        "csrf_token": csrf_token(request),
        "path": request.url.path,
        "environment": request.app.state.settings.environment,
        "theme": request.cookies.get("theme", "auto"),
        "density": request.cookies.get("density", "normal"),
        "here": quote(str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""), safe=""),
        **context,
    }
    block = wanted(request)
    if block is not None and block in found.blocks:
        request.state.is_part = True  # nothing in it is about the caller: web/refreshes.py
        return HTMLResponse("".join(found.blocks[block](found.new_context(values))), status, HEADERS)
    values["flash"] = flash.take(request)
    response = HTMLResponse(found.render(values), status, HEADERS)
    if values["flash"]:
        flash.forget(response)
    return response
