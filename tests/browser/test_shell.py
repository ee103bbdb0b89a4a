"""Tests of what all pages have: that everybody can use them, their keys, and that they are alive."""

import re

from playwright.async_api import Route, expect

from runtime.client import Client
from runtime.transport import CHANGED
from tests.browser.axe import assert_contrasting, assert_usable
from tests.browser.conftest import Visit
from tests.web.pages import rows
from web.pages.navigation import PAGES


async def test_every_page_can_be_used_by_everybody(visit: Visit) -> None:
    """Given pages with nothing to show, light or dark, at a desk or on a phone, then axe finds no violation."""
    await assert_usable(await visit("/"), *(page.path for page in PAGES))


async def filled(client: Client) -> None:
    """Workers, jobs that wait, figures, and an error with its issue."""
    await rows.workers(client)
    await rows.live(client, 2, queue="nobodys", due=60)
    await rows.counted(client, "send_email", "email", 1, 30)
    await rows.counted(client, "send_email", "email", 2, 10)
    await rows.error_group(client, "https://issues.example.com/browse/JOB-7")


async def test_pages_with_something_to_show_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given failures and figures, then axe finds no violation on the overview, a group of errors, the forms that are no
    page of their own in the rail, the sign-in page, and the page that says that there is nothing."""
    await filled(client)
    page = await visit("/", but="the server responded with a status of 404")
    await assert_usable(
        page, "/", "/?by=queue", "/?by=actor", "/errors", f"/errors/{rows.FINGERPRINT}", "/schedules/new",
        "/actors/send_email/pause", "/deliveries/endpoints/new", "/nothing-here",
    )  # fmt: skip
    await page.context.clear_cookies()
    await assert_usable(page, "/login")


async def test_who_needs_more_contrast_has_it(visit: Visit, client: Client) -> None:
    """Given jobs, errors and workers, and somebody who asks for more contrast, then what is written has it."""
    await filled(client)
    await assert_contrasting(await visit("/"), "/", "/jobs", "/errors", "/queues", "/schedules/new", "/settings/keys")


async def test_what_is_chosen_is_seen_in_the_systems_own_colours(visit: Visit, client: Client) -> None:
    """Given somebody whose system has colours of its own, then the page and the rows that are chosen have a frame, and
    the lines of a chart are told apart."""
    await filled(client)
    page = await visit("/")
    await page.emulate_media(forced_colors="active")
    await page.reload()
    await expect(page.locator('.rail [aria-current="page"]')).to_have_css("outline-style", "solid")
    lines = page.locator("[data-chart=throughput-data] .u-legend .u-marker")
    await expect(lines).to_have_count(3)
    colours = await lines.evaluate_all("all => all.map(one => getComputedStyle(one).borderTopColor)")
    assert len(set(colours)) == 3
    await page.goto("/jobs")
    row = page.locator("tbody tr").first
    await row.get_by_role("checkbox").check()
    await expect(row).to_have_css("outline-style", "solid")
    await row.locator("a.cover").focus()
    await page.keyboard.press("j")
    await expect(row).to_have_css("outline-style", "dashed")


async def test_the_keys_are_explained(visit: Visit) -> None:
    """Given a page, when ? is pressed, then the keys are listed; / goes to the search."""
    page = await visit("/")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.get_by_role("combobox", name="Search jobs")).to_be_focused()


async def test_a_page_shows_what_has_changed(visit: Visit, client: Client) -> None:
    """Given an open page, when a job is added and somebody says so, then the page shows it without being loaded."""
    page = await visit("/")
    waiting = page.get_by_role("link", name="Waiting now")
    await expect(waiting).to_contain_text("now0")
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs) values (gen_random_uuid(), 'a', 'q', '[]', '{}')"
        )
    await client.redis.publish(CHANGED, "jobs")
    await expect(waiting).to_contain_text("now1")


async def test_a_page_follows_again_after_its_stream_was_refused(visit: Visit, client: Client) -> None:
    """Given an open page, when its stream is answered by errors for a while, as by a proxy whose server restarts, then
    it is live again soon after, and shows what has changed meanwhile and from then on."""
    page = await visit("/", but="the server responded with a status of 502")
    state = page.locator("#live-state")
    await expect(state).to_have_text("live")

    async def refuse(route: Route) -> None:
        await route.fulfill(status=502)

    await page.route("**/live?*", refuse)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # opens it anew
    await expect(state).to_have_text("connecting again")
    await page.unroute("**/live?*", refuse)
    await expect(state).to_have_text("live")
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs) values (gen_random_uuid(), 'a', 'q', '[]', '{}')"
        )
    await client.redis.publish(CHANGED, "jobs")
    await expect(page.get_by_role("link", name="Waiting now")).to_contain_text("now1")


async def test_a_page_is_refreshed_as_often_as_its_reader_wants(visit: Visit, client: Client) -> None:
    """Given a live page, then it rests while its tab is hidden; every five seconds, if that is wanted, it looks by
    itself, with nobody telling it; and not at all if that is wanted. The choice holds for the next page too."""
    page = await visit("/")
    state = page.locator("#live-state")
    await expect(state).to_have_text("live")
    for hidden, says in (("true", "paused: this tab is hidden"), ("false", "live")):
        await page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await expect(state).to_have_text(says)
    await page.locator("summary", has_text="View").click()
    await page.get_by_label("Updates").select_option("5")
    await expect(state).to_have_text("every 5 s")
    await rows.live(client, 1)
    await expect(page.get_by_role("link", name="Waiting now")).to_contain_text("now1")
    await page.get_by_label("Updates").select_option("off")
    await expect(state).to_have_text("off")
    await page.goto("/jobs")
    await expect(page.locator("#live-state")).to_have_text("off")


async def test_a_theme_is_kept(visit: Visit) -> None:
    page = await visit("/")
    await page.locator("summary", has_text="View").click()
    await page.get_by_label("Theme").select_option("dark")
    dark = await page.evaluate("getComputedStyle(document.body).color")
    await page.goto("/errors")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await page.evaluate("getComputedStyle(document.body).color") == dark
    await page.locator("summary", has_text="View").click()
    await page.get_by_label("Theme").select_option("light")
    assert await page.evaluate("getComputedStyle(document.body).color") != dark


async def test_a_stretch_of_a_chart_leads_to_its_jobs(visit: Visit, client: Client) -> None:
    """Given a chart, when a stretch of it is marked with the pointer, then the jobs that ended within it are shown."""
    await rows.counted(client, "send_email", "email", 1, 30)
    page = await visit("/")
    box = await page.locator("#charts .u-over").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.75, middle, steps=5)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile(r"/jobs\?q=finished%3A\d{4}-\d\d-\d\dT.*\.\.\d{4}-"))
    await expect(page.get_by_text("custom")).to_be_visible()


async def test_pages_work_without_script(visit: Visit) -> None:
    """Given a browser without JavaScript, then a page shows what it has to show."""
    page = await visit("/", script=False)
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await expect(page.get_by_role("link", name="Waiting now")).to_contain_text("now0")
