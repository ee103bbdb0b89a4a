"""How soon a browser shows a page: its first contentful paint (W3C, Paint Timing), in Debian's Chromium."""

import asyncio
import os
import shutil

from playwright.async_api import async_playwright

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_PAINTED = """
() => new Promise(resolve => new PerformanceObserver(list => {
    const paint = list.getEntriesByName("first-contentful-paint")[0];
    if (paint) resolve(paint.startTime);
}).observe({type: "paint", buffered: true}))
"""


async def first_paints(url: str, cookies: dict[str, str], times: int) -> list[float]:
    """Milliseconds from the start of the navigation, of so many visits with nothing in the cache; least first. Empty
    where there is no Chromium."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return []
    taken = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        for _ in range(times + 1):
            context = await browser.new_context()
            await context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
            page = await context.new_page()
            await asyncio.sleep(0.5)  # the browser gets the tab ready, which is no page's doing
            await page.goto(url)
            taken.append(float(await page.evaluate(_PAINTED)))
            await context.close()
        await browser.close()
    return sorted(taken[1:])  # the first one starts the browser's processes
