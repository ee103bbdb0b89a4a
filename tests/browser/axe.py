"""Is a page usable by everybody: axe-core's rules of WCAG 2.2 A and AA, and its best practices."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

OPTIONS: dict[str, Any] = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


async def violations(page: Page) -> list[str]:
    """One line for each: the rule, and the first places that break it."""
    results = await Axe().run(page, options=OPTIONS)
    return [
        f"{found['id']}: {found['help']}: {[node['html'][:200] for node in found['nodes'][:3]]}"
        for found in results.response["violations"]
    ]
