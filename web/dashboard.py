"""dramatiq-dashboard at /dramatiq: the messages that are in Redis now. It has no login of its own."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from importlib import resources
from typing import Any, cast
from urllib.parse import parse_qs

import structlog
from a2wsgi import WSGIMiddleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq_dashboard import DashboardApp
from dramatiq_dashboard.interface import Job, RedisInterface, Worker
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import BadRequest
from runtime.client import Client
from runtime.transport import HEARTBEATS, Keys
from services import audit
from services.masking import masking
from web.headers import SecurityHeaders

PREFIX = "/dramatiq"
_DEEDS = {"/delete-message": "message.delete", "/requeue-message": "message.requeue"}

log = structlog.get_logger(__name__)


class _MaskedJob:
    """A message as it may be shown. `message` is the whole one, which its forms put back into the queue."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    @property
    def args(self) -> list[Any]:
        return masking().arguments(self.message.actor_name, self.message.args, {})[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        return masking().arguments(self.message.actor_name, (), self.message.kwargs)[1]

    @property
    def options(self) -> Any:
        return masking().value(self.message.options)

    def __str__(self) -> str:
        return str(self.message.copy(args=tuple(self.args), kwargs=self.kwargs))

    __repr__ = __str__


class _MaskedInterface:
    """What the pages read and do, its messages masked."""

    def __init__(self, whole: RedisInterface) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def workers(self) -> list[Worker]:
        """By name. The dashboard's own way would look through all keys that there are in Redis, which stands still
        meanwhile."""
        broker = self._whole.broker
        heard = sorted(broker.client.zrange(HEARTBEATS, 0, -1, withscores=True))
        names = [name.decode() for name, _ in heard]
        with broker.client.pipeline(transaction=False) as counts:
            for name in names:
                for queue in broker.queues:
                    counts.scard(Keys.acks(name, queue))
            fetched = iter(counts.execute())
        return [
            Worker(name, _without_zone(moment / 1000), sum(next(fetched) for _ in broker.queues))
            for name, (_, moment) in zip(names, heard, strict=True)
        ]

    def get_jobs(self, queue_name: str, cursor: int = 0) -> tuple[int | None, list[_MaskedJob]]:
        following, jobs = self._whole.get_jobs(queue_name, cursor)
        return following, [_MaskedJob(job) for job in jobs]

    def get_job(self, queue_name: str, message_id: str) -> _MaskedJob | None:
        job = self._whole.get_job(queue_name, message_id)
        return job and _MaskedJob(job)


def _without_zone(seconds: float) -> datetime:
    """In UTC, as the dashboard's pages want it."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


class Dashboard:
    """Its pages, run in threads, with the security headers they can live with."""

    def __init__(self, broker: RedisBroker) -> None:
        dashboard = DashboardApp(broker, PREFIX)
        dashboard.iface = _MaskedInterface(dashboard.iface)
        self._wsgi = WSGIMiddleware(dashboard)
        self._app = cast("ASGIApp", self._wsgi)  # typed by its own names for the same shapes
        self._guarded = SecurityHeaders(
            self._pages,
            {
                "Content-Security-Policy": f"default-src 'none'; style-src '{_style_digest()}'; form-action 'self'; "
                "frame-ancestors 'none'; base-uri 'none'",
                # Under no-referrer a browser sends `Origin: null` with the page's own forms.
                "Referrer-Policy": "same-origin",
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guarded(scope, receive, send)

    async def _pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "POST":
                await self._act(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except (KeyError, TypeError, ValueError) as error:
            # What it raises on a cursor that is no number, a form without its fields, text that is not UTF-8.
            log.warning("dashboard_refused", path=scope["path"], error=repr(error))
            raise BadRequest(f"The dashboard cannot read this address or form. Start again at {PREFIX}/.") from error

    async def _act(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What people do to a message is in the audit before they are told that it is done."""
        body = await Request(scope, receive).body()
        answer: list[Message] = []

        async def again() -> Message:
            return {"type": "http.request", "body": body}

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, again, keep)
        deed = _DEEDS.get(scope["path"].removeprefix(PREFIX))
        if deed is not None and answer[0]["status"] == 302:  # where it refuses, it says so with another status
            await _note(scope, deed, {name: values[0] for name, values in parse_qs(body.decode()).items()})
        for message in answer:
            await send(message)

    def close(self) -> None:
        """End its threads."""
        self._wsgi.executor.shutdown(wait=False)


async def _note(scope: Scope, deed: str, form: dict[str, str]) -> None:
    client: Client = scope["app"].state.client
    async with client.session() as session:
        audit.note(session, scope["state"]["caller"].name, deed, target=form["id"], details={"queue": form["queue"]})
        await session.commit()


def _style_digest() -> str:
    """The hash by which a content security policy lets the pages' one inline style sheet through."""
    base = resources.files("dramatiq_dashboard").joinpath("templates/_base.html").read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", base, re.DOTALL)
    if style is None:
        return "none"
    return "sha256-" + base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
