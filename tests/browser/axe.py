"""Is a page usable by everybody: axe-core's rules of WCAG 2.2 A and AA, and its best practices."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser.conftest import DESK, PHONE

_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # what else could darkness change

_RUN = """
options => axe.run(document, {...options, resultTypes: ["violations"]}).then(found => found.violations.map(
  one => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(" ")}`))
"""

_MORE = {"type": "rule", "values": ["color-contrast-enhanced", "link-in-text-block"]}  # AAA: 7 to 1


async def violations(page: Page) -> list[str]:
    """One line for each rule that the page breaks as it is shown now, and the first places that break it."""
    return await _run(page, _RULES)


async def assert_usable(page: Page, *paths: str) -> None:
    """These pages, light and dark, at a desk and on a phone, break no rule, and nothing of them leaves the screen."""
    found = []
    for path in paths:
        await page.set_viewport_size(DESK)
        await page.goto(path)
        found += [f"{path} {problem}" for problem in await _looked_at(page)]
    assert found == []


async def assert_shown_usable(page: Page) -> None:
    """The same of what is shown now."""
    assert await _looked_at(page) == []


async def assert_contrasting(page: Page, *paths: str) -> None:
    """Where somebody asks for more contrast, these pages, light and dark, have as much as WCAG's AAA takes."""
    found = []
    for path in paths:
        await page.goto(path)
        for scheme in ("light", "dark"):
            await page.emulate_media(contrast="more", color_scheme=scheme)
            found += [f"{path}, {scheme}: {problem}" for problem in await _run(page, _MORE)]
    assert found == []


async def _looked_at(page: Page) -> list[str]:
    found = []
    for viewport in (DESK, PHONE):
        await page.set_viewport_size(viewport)
        await page.emulate_media(color_scheme="light")
        found += [f"at {viewport['width']} px: {problem}" for problem in await _run(page, _RULES)]
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > viewport["width"]:
            found.append(f"at {viewport['width']} px: it is {width} px wide")
        await page.emulate_media(color_scheme="dark")
        found += [f"at {viewport['width']} px, dark: {problem}" for problem in await _run(page, _COLOURS)]
    return found


async def _run(page: Page, rules: dict[str, Any]) -> list[str]:
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(Axe().axe_script)
    problems: list[str] = await page.evaluate(_RUN, {"runOnly": rules})
    return problems
