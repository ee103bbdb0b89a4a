"""Pages that are open: told in beats, and read for once however many they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from sqlalchemy import event

from runtime.client import Client
from runtime.transport import CHANGED
from services import actors, queues
from services.callers import digest
from tests.support.waiting import wait_for
from tests.web.callers import BEARER, SESSION_TOKEN, Browser, assert_problem, key, user
from tests.web.pages import rows
from web.cookies import SESSION
from web.csrf import token_of

PART = {"HX-Request": "true", "HX-Target": "div#rows", "Accept": "text/html"}
ROUNDS = 2
WHOLE = 3  # statements, where nothing is kept from before: of sessions, and of what is shown


class OpenPage:
    """A page in somebody's browser: it hears its stream, and each time asks for a part of itself again."""

    def __init__(self, address: str, browser: Browser, path: str = "/jobs", part: str = "rows") -> None:
        self.path = path
        self.http = httpx.AsyncClient(
            base_url=address, cookies={SESSION: browser.token}, timeout=60, trust_env=False,
            headers=PART | {"HX-Target": f"div#{part}"},
        )  # fmt: skip
        self.answers: list[httpx.Response] = []
        self.is_open = False

    @asynccontextmanager
    async def shown(self) -> AsyncIterator["OpenPage"]:
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await self.http.aclose()

    async def _follow(self) -> None:
        async with self.http.stream("GET", "/live?topics=jobs") as stream:
            self.is_open = True
            async for line in stream.aiter_lines():
                if line == "data: changed":
                    self.answers.append(await self.http.get(self.path))


@pytest_asyncio.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real server."""
    server = uvicorn.Server(
        # A browser asks again where a connection was closed while nobody used it; httpx does not.
        uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=600)
    )
    serving = asyncio.create_task(server.serve())
    await wait_for(lambda: server.started, what="the server")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    await serving


@pytest_asyncio.fixture
async def statements(app: FastAPI) -> Callable[[], int]:
    """How many statements the application has sent to the database so far."""
    seen: list[str] = []

    def watch(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda record: seen.append(record.query))

    engine = app.state.client.database.engine
    event.listen(engine.sync_engine, "connect", lambda adapted, _: watch(adapted.driver_connection))
    await engine.dispose()  # those that are open are not watched
    return lambda: len(seen)


async def _cost(
    app: FastAPI, address: str, client: Client, statements: Callable[[], int], number: int, *shown: str
) -> float:
    """Statements a beat while so many pages of as many people are open, and refresh themselves."""
    async with AsyncExitStack() as stack:
        browsers = [await user(f"user-{place}", f"session-{place}", "operator") for place in range(number)]
        pages = [await stack.enter_async_context(OpenPage(address, browser, *shown).shown()) for browser in browsers]
        await wait_for(lambda: all(page.is_open for page in pages), what=f"{number} open pages")
        await _round(client, pages)
        before, beat = statements(), app.state.live.beat
        for _ in range(ROUNDS):
            await _round(client, pages)
        beats: int = app.state.live.beat - beat
        cost = (statements() - before) / beats
    assert {answer.status_code for page in pages for answer in page.answers} == {200}
    return cost


async def _round(client: Client, pages: list[OpenPage]) -> None:
    """Something changes, and each page asks again."""
    asked = [len(page.answers) for page in pages]
    await client.redis.publish(CHANGED, "jobs")
    await wait_for(
        lambda: all(len(page.answers) > before for page, before in zip(pages, asked, strict=True)),
        what="every page to ask again",
    )


@pytest.mark.parametrize("shown", [("/jobs", "rows"), ("/queues", "now"), ("/attention", "attention")], ids="".join)
async def test_two_hundred_open_pages_cost_the_database_no_more_than_ten(
    app: FastAPI, address: str, client: Client, statements: Callable[[], int], shown: tuple[str, str]
) -> None:
    """Given pages of people who may act on what they see, a paused queue among it."""
    async with client.session() as session:
        await queues.pause(session, "email", who="ana", reason="a test")
        await session.commit()
    few = await _cost(app, address, client, statements, 10, *shown)
    many = await _cost(app, address, client, statements, 200, *shown)

    # The sessions, looked at together, and what is shown, read once, the strip not each time; a page that comes late
    # may read it again.
    assert few >= 1
    assert many <= max(few, WHOLE) * 2


@pytest.mark.parametrize("shown", [("/queues", "now"), ("/actors", "list"), (f"/workers/{rows.BUSY}", "now")])
async def test_what_can_be_done_is_in_what_is_shared(
    person: httpx.AsyncClient, client: Client, shown: tuple[str, str]
) -> None:
    """Given a paused queue, a paused actor and running jobs, then the parts that show what can be done about them are
    the same for everybody who may: the session's token is in none, but beside it."""
    await rows.workers(client)
    await rows.live(client, 2, "running")
    async with client.session() as session:
        await queues.pause(session, "email", who="ana", reason="a test")
        await actors.pause(session, "send_email", who="ana", reason="a test")
        await session.commit()
    path, part = shown
    refreshed = await person.get(path, headers=PART | {"HX-Target": f"div#{part}"})
    assert 'form="act"' in refreshed.text
    assert token_of(SESSION_TOKEN) not in refreshed.text
    assert token_of(SESSION_TOKEN) in (await person.get(path)).text


async def test_a_page_is_not_refreshed_for_whose_session_has_ended(address: str, client: Client) -> None:
    # Given an open page that has been refreshed
    browser = await user("leaver", "session-of-the-leaver", "viewer")
    async with OpenPage(address, browser).shown() as page:
        await wait_for(lambda: page.is_open, what="the open page")
        await _round(client, [page])
        assert page.answers[-1].status_code == 200

        # When the session ends, somewhere else
        async with client.database.connection() as connection:
            await connection.execute("delete from user_sessions")

        # Then the page is told once more, and sent to sign in
        await wait_for(lambda: page.answers[-1].status_code != 200, what="the refusal")
        assert page.answers[-1].status_code == 401
        assert page.answers[-1].headers["HX-Redirect"] == "/login"


async def test_who_may_not_act_is_not_given_the_answer_of_who_may(address: str, client: Client) -> None:
    # Given the same page before an operator and a viewer, refreshed at the same beat
    operator = OpenPage(address, await user("operator", "session-of-the-operator", "operator"))
    viewer = OpenPage(address, await user("viewer", "session-of-the-viewer", "viewer"))
    async with operator.shown(), viewer.shown():
        await wait_for(lambda: operator.is_open and viewer.is_open, what="both pages")
        for _ in range(2):
            await _round(client, [operator, viewer])

        # When each asks for a whole page
        asked = [await page.http.get("/actors", headers={"HX-Target": "div#nowhere"}) for page in (operator, viewer)]

        # Then it is its own
        assert [">operator " in answer.text for answer in asked] == [True, False]
        assert [">viewer " in answer.text for answer in asked] == [False, True]


@asynccontextmanager
async def followed(somebody: httpx.AsyncClient, events: str) -> AsyncIterator[AsyncIterator[str]]:
    """A job's stream, after its first event: the lines that follow."""
    async with somebody.stream("GET", events) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: changed"
        yield lines


async def test_a_jobs_stream_ends_with_the_key_or_session_that_reads_it(
    app: FastAPI, address: str, program: httpx.AsyncClient, client: Client
) -> None:
    # Given a job that goes on, and who follows it: a key, a person, and a key that stays good
    job = (await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"], "delay": 3600})).json()["id"]
    events = f"{address}/api/v1/jobs/{job}/events"
    headers, browser = await key("some", "cb_some_secret", "operate"), await user("vera", "session-of-vera", "viewer")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        by_key = await enter(httpx.AsyncClient(headers=headers, timeout=60, trust_env=False))
        by_session = await enter(httpx.AsyncClient(auth=browser, timeout=60, trust_env=False))
        good = await enter(httpx.AsyncClient(headers=BEARER, timeout=60, trust_env=False))
        going, gone, staying = [await enter(followed(one, events)) for one in (by_key, by_session, good)]

        # When the key is revoked and the session ended
        async with client.database.connection() as connection:
            await connection.execute("update api_keys set revoked_at = now() where name = 'some'")
            await connection.execute("delete from user_sessions where token_hash = $1", digest(browser.token))

        # Then their streams break off before the job's end, and who asks again is told why
        for lines in (going, gone):
            assert "event: ended" not in [line async for line in lines]
        assert_problem(await by_key.get(events), 401)
        assert_problem(await by_session.get(events), 401)

        # And the other one hears the end
        assert (await program.post(f"/api/v1/jobs/{job}/cancel")).status_code == 200
        assert "event: ended" in [line async for line in staying]
