"""A real web process, and Debian's Chromium driven by Playwright.

site      the console, served by `uvicorn web:app`, on an empty database                           (each test)
visit     `page = await visit("/jobs")`: signed in; fails the test for whatever the browser complains about, `but` that
"""

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright, expect

from settings import Settings
from tests.runtime.engine import stage
from tests.support.process import Process
from tests.support.programs import chromium
from tests.web.callers import SESSION_TOKEN, make_accounts
from web.cookies import SESSION

__all__ = ["stage"]

DESK, PHONE = ViewportSize(width=1300, height=900), ViewportSize(width=375, height=740)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

PATIENCE = 60_000  # milliseconds: a machine may be busy
expect.set_options(timeout=PATIENCE)

REFUSED = "the server responded with a status of 422"  # a form that is shown again, with what is wrong at its fields

Visit = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class Site:
    url: str
    process: Process


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session")
async def served(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One web process for all of these tests: it keeps nothing that a test could leave behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["uvicorn", "web:app", "--host", "127.0.0.1", "--port", str(port)]
    process = Process(command, {"PYTHONUNBUFFERED": "1"}, tmp_path_factory.mktemp("web") / "web.log")
    await process.says("Application startup complete")
    yield Site(f"http://127.0.0.1:{port}", process)
    process.kill()


@pytest_asyncio.fixture
async def site(served: Site, settings: Settings) -> AsyncIterator[Site]:
    """An empty database, and accounts to sign in with; what the process said meanwhile is shown when the test fails."""
    before = len(served.process.output)
    await make_accounts()
    yield served
    sys.stdout.write(f"\n---- web\n{served.process.output[before:]}")


@pytest_asyncio.fixture
async def visit(browser: Browser, site: Site) -> AsyncIterator[Visit]:
    complaints: list[str] = []
    expected = [REFUSED]

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in expected):
            complaints.append(f"{message.type}: {message.text}")

    async with AsyncExitStack() as end:

        async def visit(
            path: str, *, viewport: ViewportSize = DESK, script: bool = True, zone: str = "UTC", but: str = ""
        ) -> Page:
            expected.extend(filter(None, [but]))
            context = await browser.new_context(
                base_url=site.url,
                viewport=viewport,
                java_script_enabled=script,
                timezone_id=zone,
            )
            await context.add_cookies([{"name": SESSION, "value": SESSION_TOKEN, "url": site.url}])
            end.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE)
            page = await context.new_page()
            page.on("console", listen)
            page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
            await page.goto(path)
            return page

        yield visit
    assert complaints == [], "the browser complained"
