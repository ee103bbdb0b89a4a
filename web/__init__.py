"""PEOPLE and programs: the JSON API and dramatiq-dashboard. `uvicorn web:app` serves them."""

import sys
from functools import cache
from typing import TYPE_CHECKING

from errors import ConfigurationError
from runtime import collector
from settings import settings
from web import listening

if TYPE_CHECKING:
    from fastapi import FastAPI


@cache
def _app() -> "FastAPI":
    try:
        chosen = settings()
        listening.require_account(chosen)
        import actors  # it declares every actor and connects to Redis: only a process that serves pays for that
        from web.application import create_app

        app = create_app(chosen, actors.broker)
    except ConfigurationError as error:
        sys.exit(f"The web process cannot start. {error}")
    collector.freeze()
    return app


def __getattr__(name: str) -> "FastAPI":
    """Make `web.app` when a server asks for it, so that importing `web` needs no settings (PEP 562)."""
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
