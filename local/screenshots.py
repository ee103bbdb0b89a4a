"""`make screenshots`: the console's main pages on made-up data, as pictures for the README and docs/console.md."""

import asyncio
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from playwright.async_api import Page, async_playwright

from errors import ConfigurationError
from local import screenshot_plans, screenshot_rows
from local.stack import ROOT
from runtime.client import Client
from services import users
from settings import load
from web.pages.navigation import PAGES

IMAGES = ROOT / "docs" / "images"
LARGEST = 250_000  # bytes of a picture
PATIENCE = 60.0
NAME = "ada"


async def take() -> None:
    """On the database and Redis of the settings, which should be fresh ones."""
    password = secrets.token_urlsafe(24)
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with Client.open(load()) as client:
        job = await screenshot_rows.fill(client)
        schedule, workflow = await screenshot_plans.fill(client)
        async with client.session() as session:
            await users.create(session, "local", NAME, "admin", password)
            await session.commit()
        shots = [(shown.path, shown.title.lower()) for shown in PAGES if shown.scope == "read"]
        shots += [
            (f"/jobs/{job}", "job"), (f"/schedules/{schedule}", "schedule"),
            (f"/workflows/{workflow}?step=authorise+the+payments", "workflow"), ("/deliveries/webhooks", "webhooks"),
            ("/", "overview-dark"),
        ]  # fmt: skip
        async with served() as url, signed_in(url, password) as page:
            for path, name in shots:
                await screenshot_rows.live(client)
                await page.emulate_media(color_scheme="dark" if name.endswith("-dark") else "light")
                await shoot(page, path, name)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The console's address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = (sys.executable, "-m", "uvicorn", "web:app", "--port", str(port), "--log-level", "warning")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await _answers(f"{url}/ready", process)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(url: str, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + PATIENCE
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        while process.returncode is None and time.monotonic() < deadline:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx.TransportError:  # it does not listen yet
                pass
            await asyncio.sleep(0.2)
    raise ConfigurationError(f"The console does not answer at {url}.")


@asynccontextmanager
async def signed_in(url: str, password: str) -> AsyncIterator[Page]:
    """A page of Debian's Chromium, or of Playwright's own."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(base_url=url, viewport={"width": 1300, "height": 820}, color_scheme="light")
        await page.goto("/login")
        await page.fill("#name", NAME)
        await page.fill("#password", password)
        await page.press("#password", "Enter")
        await page.wait_for_url("/")
        yield page
        await browser.close()


async def shoot(page: Page, path: str, name: str) -> None:
    """Once its charts are drawn and its times are the reader's."""
    await page.goto(path)
    for chart in await page.locator(".chart[data-chart]").all():
        await chart.locator("canvas").wait_for()
    picture = await page.screenshot(animations="disabled")
    if len(picture) > LARGEST:
        raise ConfigurationError(f"The picture of {path} has {len(picture):,} bytes; {LARGEST:,} are the most.")
    file = IMAGES / f"{name}.png"
    await asyncio.to_thread(file.write_bytes, picture)
    sys.stdout.write(f"{file.relative_to(ROOT)}  {len(picture):,} bytes\n")


if __name__ == "__main__":
    asyncio.run(take())
