"""How pages are made: Jinja2 with everything escaped, and the headers of pages."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from web.csrf import csrf_token
from web.headers import PAGES

FOLDER = Path(__file__).parents[1]

_environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of this template. It also gets `request`, and `csrf_token` for its forms."""
    text = _environment.get_template(template).render(request=request, csrf_token=csrf_token(request), **values)
    return HTMLResponse(text, status, PAGES)
