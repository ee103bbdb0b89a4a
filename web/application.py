"""The web application: what stands in front of every request, in order, and what is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from errors import ConfigurationError
from providers.oidc import Provider
from runtime.broker import Broker
from runtime.cancelling import cancel_and_wait
from runtime.client import Client
from settings import Settings
from web import api, dashboard, health, hooks, metrics, pages
from web.access import Access
from web.body import BodyLimit
from web.csrf import Csrf
from web.failures import Failures
from web.headers import SecurityHeaders
from web.live import Live
from web.origin import SameOrigin
from web.pages.refused import Readable
from web.present import Present
from web.refreshes import Refreshes
from web.refusals import HANDLERS
from web.shared import Shared

_PATIENCE = 30  # seconds for one statement: nobody waits for its answer any more by then

# Put together once: FastAPI works out what each route takes when it is first asked for, and keeps it with these.
ROUTES = APIRouter()
for part in (health, metrics, api, hooks, pages):
    ROUTES.include_router(part.router)


def create_app(settings: Settings, broker: Broker) -> FastAPI:
    """The application for these actors. Raises ConfigurationError for settings that are missing."""
    _ = settings.postgres, settings.redis  # a missing one is named now, not in the traceback of a start that failed
    require_identity_provider(settings)
    messages = dashboard.Dashboard(broker)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Client.open(settings, patience=_PATIENCE) as client:
            app.state.settings, app.state.client = settings, client
            app.state.live = Live(client.redis, Present(client.database, settings.session_idle_hours))
            listening = asyncio.create_task(app.state.live.run())
            yield
            await cancel_and_wait([listening])
        messages.close()

    app = FastAPI(
        title="Callboard",
        version="1",
        lifespan=lifespan,
        routes=ROUTES.routes,
        openapi_url=api.DESCRIPTION,
        docs_url=None,  # FastAPI's pages load their scripts from a CDN
        redoc_url=None,
        exception_handlers=HANDLERS,
        middleware=[
            Middleware(SecurityHeaders),  # first, so that refusals and failures carry them too
            Middleware(Readable),
            Middleware(Failures),
            Middleware(Access, settings=settings),
            Middleware(SameOrigin),
            # After Access: of strangers' bodies only those of public addresses are read.
            Middleware(BodyLimit, larger=hooks.LARGER | api.LARGER),
            Middleware(Csrf),  # after BodyLimit: it looks into forms
            Middleware(Refreshes),  # after Access: what is shared is what the caller may see
        ],
    )
    app.state.identity_provider = Provider(settings) if settings.oidc_issuer else None
    app.state.metrics = Shared[bytes](metrics.KEPT)
    app.mount(dashboard.PREFIX, messages)
    return app


def require_identity_provider(settings: Settings) -> None:
    """Raises ConfigurationError for a sign-in through an identity provider that could not work."""
    if settings.oidc_issuer and not (settings.oidc_client_id and settings.public_url):
        raise ConfigurationError(
            "OIDC_ISSUER is set, and needs OIDC_CLIENT_ID and PUBLIC_URL. "
            "At the provider, allow the redirect URL PUBLIC_URL/login/oidc/callback."
        )
