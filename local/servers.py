"""PostgreSQL and Redis for this machine: the ones given by URL, or embedded ones. Decided for each alone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from errors import ServerUnavailable
from local import home
from local.postgres import Postgres
from local.server import Server
from local.steps import Steps
from local.valkey import Valkey
from settings import Settings


def embedded(folder: Path) -> dict[str, Server]:
    """Both servers, not started, by the environment variable that points to each."""
    return {"DATABASE_URL": Postgres(folder / "postgres"), "REDIS_URL": Valkey(folder / "valkey")}


def given(settings: Settings) -> dict[str, str]:
    """The URLs that the settings have, as environment variables."""
    urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return {name: str(url) for name, url in urls.items() if url is not None}


@contextmanager
def running(folder: Path, urls: dict[str, str], steps: Steps | None = None) -> Iterator[dict[str, str]]:
    """Both URLs, as environment variables; what is not in `urls` is started, and stopped at the end."""
    steps = steps or Steps(Console(quiet=True))
    with ExitStack() as stack:
        all_urls = dict(urls)
        for name, server in embedded(home.prepare(folder)).items():
            if name not in all_urls:
                stack.callback(server.stop)
                with steps.step(f"{server.name} in {server.folder}"):
                    all_urls[name] = server.start()
        yield all_urls


def found_running(settings: Settings) -> dict[str, str]:
    """Both URLs, of given or running servers. Raises ServerUnavailable when one does not run."""
    urls = given(settings)
    for name, server in embedded(settings.callboard_home.resolve()).items():
        if name in urls:
            continue
        state = server.running()
        if state is None:
            raise ServerUnavailable(
                f"{server.name} does not run on this machine. Start it with `make servers` (or `make dev`) "
                f"in another terminal, or set {name}."
            )
        urls[name] = state.url
    return urls
