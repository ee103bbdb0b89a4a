"""Tests of the pages of workflows, as an operator uses them."""

import uuid
from typing import Any

from playwright.async_api import expect

from runtime.client import Client
from services.workflows import chain, each, graph, s, sleep, start, wait_for
from tests.browser.axe import assert_usable
from tests.browser.conftest import PHONE, Visit
from tests.conftest import StartProcess
from tests.workflows.flow_actors import flow_add, flow_collect, flow_fail_unless, flow_value


async def started(client: Client, flow: Any, name: str) -> uuid.UUID:
    async with client.session() as session:
        made = await start(session, flow, name=name, owner="ada")
        await session.commit()
    return made.id


def branches() -> Any:
    a, b, c = s(flow_value, 1).named("load"), s(flow_add).named("check"), s(flow_collect).named("report")
    many = each(flow_add, [1, 2, 3]).named("resize")
    return graph({a: [], b: [a], many: [], wait_for("approved").named("approval"): [a], c: [b, many]})


async def test_workflows_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given a workflow with branches, of which some steps have ended, then axe finds no violation on its pages."""
    here = f"/workflows/{await started(client, branches(), 'nightly')}"
    async with client.database.connection() as connection:
        await connection.execute(
            "update workflow_steps set state = 'succeeded', finished_at = now() + interval '2 s' where name = 'load'"
        )
        await connection.execute(
            "update workflow_steps set state = 'failed', started_at = now(), finished_at = now() + interval '9 s',"
            """ error = '{"type": "ValueError", "message": "no"}' where name = 'check'"""
        )
    tabs = [f"{here}?tab={tab}" for tab in ("graph", "timeline", "steps")]
    tabs.append(f"{here}?tab=graph&step=check")
    paths = "/workflows", *tabs, f"{here}/step?name=resize", f"{here}/cancel", f"{here}/skip?step=check"
    await assert_usable(await visit(here), *paths)


async def test_a_failed_workflow_is_repaired(
    visit: Visit, client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a workflow whose step fails, when an operator opens it from the list and retries what failed, now that it
    can be done, then it succeeds before their eyes."""
    await scheduler()
    await worker("tests.workflows.flow_actors")
    flow = chain(s(flow_value, 1).named("load"), s(flow_fail_unless, key="repaired"), s(flow_collect).named("report"))
    await started(client, flow, "orders")
    page = await visit("/workflows")
    await page.get_by_role("link", name="orders").click()
    await expect(page.locator("#life .badge").first).to_contain_text("failed")
    await client.redis.set("stage:go:repaired", 1)
    await page.get_by_role("link", name="Retry failed steps…").click()
    await expect(page.get_by_role("heading", name="Retry 2 steps?")).to_be_visible()
    await page.get_by_label("Reason").fill("the key is there")
    await page.get_by_role("button", name="Retry 2 steps").click()
    await expect(page.locator("#life .badge").first).to_contain_text("succeeded")
    await page.get_by_role("link", name="Steps", exact=True).click()
    await expect(page.locator("tbody .badge.succeeded")).to_have_count(3)


async def test_an_event_is_sent_without_script(visit: Visit, client: Client) -> None:
    """Given a step that waits for its event, when an operator whose browser has no JavaScript sends it, with a mistake
    first, then the mistake is named and what was typed kept; then the step has succeeded."""
    here = f"/workflows/{await started(client, chain(wait_for('approved').named('approval'), sleep(600)), 'orders')}"
    page = await visit(here, script=False)
    await page.get_by_role("link", name="approval: running").click()
    await page.get_by_role("link", name="Send the event…").click()
    await page.get_by_label("What to say").fill('{"by": ')
    await page.get_by_role("button", name="Send the event to 1 step").click()
    await expect(page.locator("#value-wrong")).to_contain_text("not JSON")
    await expect(page.get_by_label("What to say")).to_have_value('{"by": ')
    await page.get_by_label("What to say").fill('{"by": "ada"}')
    await page.get_by_role("button", name="Send the event to 1 step").click()
    await expect(page.get_by_role("status")).to_contain_text("It has been told")
    await expect(page.get_by_role("link", name="approval: succeeded")).to_be_visible()


async def test_a_drawing_stays_where_it_was_moved_to(visit: Visit, client: Client) -> None:
    """Given a graph that was enlarged, when the page is refreshed by what happens, then it is still so."""
    here = f"/workflows/{await started(client, branches(), 'nightly')}"
    page = await visit(here)
    drawing = page.locator("svg#graph")
    before = await drawing.get_attribute("viewBox")
    await page.get_by_role("button", name="Larger").click()
    enlarged = await drawing.get_attribute("viewBox")
    assert enlarged != before
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'failed', started_at = now() where name = 'check'")
    await client.redis.publish("dramatiq:changed", "jobs")
    await expect(page.get_by_role("link", name="check: failed")).to_be_visible()
    assert await drawing.get_attribute("viewBox") == enlarged


async def test_a_step_is_seen_beside_the_graph(visit: Visit, client: Client) -> None:
    """Given a graph, when a step is chosen, then a panel shows it beside the graph, which stays where it is, and
    follows what becomes of the step; the address leads there again."""
    here = f"/workflows/{await started(client, branches(), 'nightly')}"
    page = await visit(here)
    await page.get_by_role("button", name="Larger").click()
    enlarged = await page.locator("svg#graph").get_attribute("viewBox")
    await page.get_by_role("link", name="check: waiting").click()
    panel = page.locator("#panel")
    await expect(panel.get_by_role("heading", name="check")).to_be_visible()
    await expect(panel.get_by_text("waiting")).to_be_visible()
    assert await page.locator("svg#graph").get_attribute("viewBox") == enlarged
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'failed', started_at = now() where name = 'check'")
    await client.redis.publish("dramatiq:changed", "jobs")
    await expect(panel.locator(".badge").first).to_contain_text("failed")
    await page.reload()
    await expect(panel.get_by_role("heading", name="check")).to_be_visible()


async def test_the_arrow_keys_lead_through_the_graph(visit: Visit, client: Client) -> None:
    """Given a graph, when its first step has the focus, then each arrow key goes to the next step on that side, and
    stays where there is none; Enter shows the step."""
    flow = graph({(a := s(flow_value, 1).named("a")): [], s(flow_value, 2).named("b"): [], s(flow_add).named("c"): [a]})
    page = await visit(f"/workflows/{await started(client, flow, 'nightly')}")
    steps = {name: page.locator(f"a.node[aria-label^='{name}:']") for name in "abc"}
    await steps["a"].focus()
    for key, name in (("Down", "b"), ("Up", "a"), ("Up", "a"), ("Right", "c"), ("Left", "a"), ("Left", "a")):
        await page.keyboard.press(f"Arrow{key}")
        await expect(steps[name]).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel").get_by_role("heading", name="a", exact=True)).to_be_visible()


async def test_what_runs_is_followed(visit: Visit, client: Client) -> None:
    """Given a graph that is wider than the window, when what runs is followed, then it comes into sight, and so does
    what runs after it."""
    flow = chain(s(flow_value, 1).named("step-0"), *(s(flow_add).named(f"step-{n}") for n in range(1, 12)))
    here = f"/workflows/{await started(client, flow, 'nightly')}"

    async def run(name: str) -> None:
        async with client.database.connection() as connection:
            await connection.execute("update workflow_steps set state = 'waiting' where state = 'running'")
            await connection.execute(
                "update workflow_steps set state = 'running', started_at = now() where name = $1", name
            )
        await client.redis.publish("dramatiq:changed", "jobs")

    await run("step-9")
    page = await visit(here, viewport=PHONE)
    node = page.locator("a.node")
    await expect(node.nth(9)).not_to_be_in_viewport()
    await page.get_by_role("button", name="Follow what runs").click()
    await expect(node.nth(9)).to_be_in_viewport()
    await run("step-3")
    await expect(node.nth(3)).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Follow what runs")).to_have_attribute("aria-pressed", "true")


async def test_the_whole_is_named_before_it_is_run_again(visit: Visit, client: Client) -> None:
    """Given a workflow that has failed, when the whole of it is to be run again without a script, then all of its steps
    are named first."""
    here = f"/workflows/{await started(client, chain(s(flow_value, 1).named('load'), s(flow_add)), 'nightly')}"
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'failed'")
        await connection.execute("update workflows set state = 'failed', finished_at = now()")
    page = await visit(here, script=False)
    await page.get_by_role("link", name="Rerun the whole…").click()
    await expect(page.get_by_role("heading", name="Run all of nightly again: 2 steps?")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="load")).to_be_visible()
    await page.get_by_role("button", name="Run 2 steps again").click()
    await expect(page.get_by_role("status")).to_contain_text("These steps are done again")
