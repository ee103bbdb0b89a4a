"""The lines around a frame of a traceback: of the project's own files, where they are what ran, and of no others."""

import os
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services.masking import MASK
from tests.web import callers
from tests.web.pages import rows
from web.pages.source import ROOT, Source, around

PROGRAM = '''"""What ships orders."""

KEYS = {"token": "hunter2hunter2"}


def ship(order: int) -> None:
    if order < 0:
        raise ValueError(order)
    print(order)
'''
LINE = "        raise ValueError(order)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for folder in ("actors", ".venv", "lib/site-packages/other"):
        (root / folder).mkdir(parents=True)
    (root / "actors/orders.py").write_text(PROGRAM)
    return root


def test_the_lines_around_the_failing_one_are_given_and_it_is_marked(project: Path) -> None:
    found = around(str(project / "actors/orders.py"), 8, LINE, project)
    assert found is not None
    assert found.name == "actors/orders.py"
    assert [line.number for line in found.lines] == [5, 6, 7, 8, 9]
    assert [line.text for line in found.lines if line.is_failing] == [LINE]


def test_they_are_masked(project: Path) -> None:
    found = around(str(project / "actors/orders.py"), 5 + 1, "def ship(order: int) -> None:", project)
    assert found is not None
    assert found.lines[0].text == f'KEYS = {{"token": {MASK}}}'


def test_a_secret_over_several_lines_is_hidden_where_its_middle_would_be_shown(project: Path) -> None:
    """Given a key that begins before the lines that are shown, then none of it is, and the lines keep their numbers."""
    words = "\n".join("MIIEpAIBAAKCAQEA" for _ in range(9))
    text = f'KEY = """-----BEGIN RSA PRIVATE KEY-----\n{words}\n-----END RSA PRIVATE KEY-----"""\nship(KEY)\n'
    (project / "actors/orders.py").write_text(text)
    found = around(str(project / "actors/orders.py"), 12, "ship(KEY)", project)
    assert found is not None
    assert [(line.number, line.text) for line in found.lines[:2]] == [(9, ""), (10, "")]
    assert found.lines[-1].text == "ship(KEY)"


def test_a_file_that_has_changed_since_is_named_and_not_shown(project: Path) -> None:
    """Given a file that was read before, when a line is put before the failing one, then that is seen."""
    file = project / "actors/orders.py"
    assert around(str(file), 8, LINE, project) != Source("actors/orders.py", ())
    file.write_text("import sys\n" + PROGRAM)
    assert around(str(file), 8, LINE, project) == Source("actors/orders.py", ())
    file.write_text("")
    assert around(str(file), 8, LINE, project) == Source("actors/orders.py", ())


@pytest.mark.parametrize(
    "file",
    [
        "{project}/../secret.py",
        "{project}/actors/../../secret.py",
        "{project}/actors/linked.py",
        "{project}/actors/linked/secret.py",
        "{project}/actors/settings.env",
        "{project}/.venv/hidden.py",
        "{project}/lib/site-packages/other/code.py",
        "{project}/actors/pipe.py",
        "{project}/actors/folder.py",
        "{project}/actors/large.py",
        "{project}/actors/no_text.py",
        "{project}/actors/no_such.py",
        "{project}/actors/loop.py",
        "{project}/actors/nul\x00.py",
        "actors/orders.py",
        "<string>",
        "/etc/passwd",
    ],
)
def test_no_other_file_is_read(project: Path, file: str) -> None:
    """Nothing outside of the project, nothing of libraries, nothing that is not Python's, nothing that would block."""
    actors = project / "actors"
    for name in ("../secret.py", "actors/settings.env", ".venv/hidden.py", "lib/site-packages/other/code.py"):
        (project / name).write_text("secret\n")
    (actors / "linked.py").symlink_to(project.parent / "secret.py")
    (actors / "linked").symlink_to(project.parent)
    (actors / "loop.py").symlink_to(actors / "loop.py")
    (actors / "folder.py").mkdir()
    (actors / "large.py").write_text("secret\n" * 100_000)
    (actors / "no_text.py").write_bytes(b"secret\n\xff\xfe\x00")
    os.mkfifo(actors / "pipe.py")
    assert around(file.format(project=project), 1, "secret", project) is None


def test_a_frame_without_its_line_has_no_source(project: Path) -> None:
    assert around(str(project / "actors/orders.py"), 8, "", project) is None


async def test_who_operates_sees_it_under_the_frame_and_who_only_looks_does_not(
    app: FastAPI, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a job that failed in a file of the project, then its page and that of the error have the lines of it."""
    file = ROOT / "errors.py"
    number, line = next((n, line) for n, line in enumerate(file.read_text().split("\n"), 1) if line.startswith("class"))
    job, group = await _failed(client, f'  File "{file}", line {number}, in <module>\n    {line}\n')
    pages = [f"/jobs/{job}", f"/errors/{group}"]
    for page in pages:
        text = (await program.get(page)).text
        assert "Around it in errors.py" in text, page
        assert text.count("<mark>") == 1, page
    looking = await callers.user("looks", "the-session-of-who-only-looks", "viewer")
    async with callers.caller(app, httpx.Headers({"Sec-Fetch-Site": "same-origin"}), looking) as viewer:
        for page in pages:
            response = await viewer.get(page)
            assert response.status_code == 200
            assert line in response.text
            assert "Around it" not in response.text


async def test_the_page_says_that_a_file_has_changed(program: httpx.AsyncClient, client: Client) -> None:
    job, _ = await _failed(client, f'  File "{ROOT / "errors.py"}", line 1, in <module>\n    no_such_line()\n')
    assert "errors.py has been changed since" in (await program.get(f"/jobs/{job}")).text


async def _failed(client: Client, frames: str) -> tuple[object, str]:
    """A job, and the fingerprint of its error."""
    await rows.ended(client, 1, "failed")
    async with client.database.connection() as connection:
        job = await connection.fetchval("update jobs set attempt = 1 returning id")
        text = f"Traceback (most recent call last):\n{frames}ValueError: no\n"
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " values ($1, 1, gen_random_uuid(), now() - interval '1 s', 'ValueError', 'no', $2)", job, text,
        )  # fmt: skip
        await connection.execute(
            "insert into error_groups select fingerprint, error_type, pattern, job_id, 1, now(), now(), 1"
            " from job_attempts"
        )
        return job, await connection.fetchval("select fingerprint from job_attempts")
