"""`callboard errors …`."""

from runtime.client import Client
from tests.cli.callboard import callboard
from tests.web.pages.rows import FINGERPRINT, error_group, failures


async def test_errors_are_listed_shown_and_acted_on(client: Client) -> None:
    """Given an error that two jobs failed with, then it is listed, and shown with its jobs; muted it is listed no more,
    and each change is seen."""
    fingerprint = await failures(client, 2, "order 7 was refused")
    [group] = (await callboard("errors", "list", "--json")).json
    assert (group["fingerprint"], group["state"]) == (fingerprint, "new")
    assert fingerprint in (await callboard("errors", "list")).out
    shown = (await callboard("errors", "show", fingerprint, "--json")).json
    assert len(shown["latest"]) == 2
    assert str(shown["latest"][0]["job_id"]) in (await callboard("errors", "show", fingerprint)).out

    assert "is muted" in (await callboard("errors", "mute", fingerprint)).out
    assert "Nothing that is open" in (await callboard("errors", "list")).out
    assert len((await callboard("errors", "list", "--show", "muted", "--json")).json) == 1
    issue = "https://issues.example.com/7"
    for arguments in (("unmute", fingerprint), ("resolve", fingerprint), ("link", fingerprint, issue)):
        assert (await callboard("errors", *arguments)).code == 0
    shown = (await callboard("errors", "show", fingerprint, "--json")).json
    assert (shown["muted_at"], shown["resolved_by"] is None, shown["issue_url"]) == (None, False, issue)
    for verb in ("reopen", "unlink"):
        assert (await callboard("errors", verb, fingerprint)).code == 0
    shown = (await callboard("errors", "show", fingerprint, "--json")).json
    assert (shown["resolved_at"], shown["issue_url"]) == (None, None)


async def test_what_there_is_not_is_said(client: Client) -> None:
    for verb in ("show", "mute", "unmute", "resolve", "reopen", "unlink"):
        assert (await callboard("errors", verb, "0" * 32)).code == 3
    await error_group(client)
    assert (await callboard("errors", "link", FINGERPRINT, "JOB-7")).code == 1
