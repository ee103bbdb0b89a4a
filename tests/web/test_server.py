"""`uvicorn web:app`, as the Procfile starts it."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.process import Process
from tests.web.callers import BEARER, LOGIN, TOKEN, make_accounts
from web.body import LIMIT

UVICORN = ("uvicorn", "web:app", "--port", "0")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


async def test_without_an_account_it_opens_no_door_to_others(environment: dict[str, str], log: Path) -> None:
    # Given no account, and an address that others can reach
    process = Process((*UVICORN, "--host", "0.0.0.0"), environment, log)

    # Then it does not start, and says how to make the first one
    assert await process.ended() == 1
    assert "callboard users create admin" in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_with_an_account_or_for_this_machine_alone_it_starts(
    environment: dict[str, str], log: Path, processes: list[Process], host: str
) -> None:
    if host == "0.0.0.0":
        await make_accounts()
    process = Process((*UVICORN, "--host", host), environment, log)
    processes.append(process)
    await process.says("Uvicorn running on")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
async def test_without_a_server_to_work_on_it_does_not_start(environment: dict[str, str], log: Path, name: str) -> None:
    process = Process(UVICORN, environment | {name: ""}, log)
    assert await process.ended() == 1
    assert f"{name} is not set" in process.output
    assert "Traceback" not in process.output


async def test_a_wrong_setting_is_named_and_not_shown(environment: dict[str, str], log: Path) -> None:
    process = Process(UVICORN, environment | {"OIDC_ISSUER": "short-secret"}, log)
    assert await process.ended() == 1
    assert "OIDC_ISSUER" in process.output
    assert "short-secret" not in process.output
    assert "Traceback" not in process.output


async def test_it_serves_until_it_is_stopped(environment: dict[str, str], log: Path, processes: list[Process]) -> None:
    # Given a server
    await make_accounts()
    process = Process(UVICORN, environment, log)
    processes.append(process)
    await process.says("Uvicorn running on")
    running = re.search(r"Uvicorn running on (http://\S+)", process.output)
    assert running

    async with httpx.AsyncClient(base_url=running[1], timeout=30) as http:
        # Then it is ready, enqueues and shows
        assert (await http.get("/ready")).status_code == 200
        job = {"actor": "send_email", "args": []}
        assert (await http.post("/api/v1/jobs", json=job)).status_code == 401
        assert (await http.get("/dramatiq/", auth=LOGIN)).status_code == 200
        assert (await http.get("/api/v1/jobs", headers=BEARER)).status_code == 200

        # And bodies over the limit are refused, of known length or not
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(LIMIT // 65_536 + 2):
                yield b" " * 65_536

        for body in (b" " * 10_000_000, chunks()):
            assert (await http.post("/api/v1/jobs", content=body, headers=BEARER)).status_code == 413

    # When it is stopped, it stops cleanly, and its log holds no token
    assert process.stop() == -signal.SIGTERM  # uvicorn ends by the signal it got, its clean-up done
    assert "Application shutdown complete" in process.output
    assert TOKEN not in process.output
    assert "Traceback" not in process.output
