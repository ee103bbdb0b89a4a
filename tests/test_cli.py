"""Tests of `callboard …`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from settings import Settings

SECRETS = {
    "DATABASE_URL": "postgresql://callboard:s3cret-database@db.example:5432/callboard?sslpassword=s3cret-query",
    "REDIS_URL": "redis://:s3cret-redis@redis.example:6379/0",
    "OIDC_CLIENT_SECRET": "s3cret-oidc",
    "SMTP_PASSWORD": "s3cret-smtp",
}


def callboard(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("callboard"), *arguments],
        env={**os.environ, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_migrate_says_where_the_database_is() -> None:
    # When it is run twice
    for _ in range(2):
        done = callboard("migrate")
        # Then
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("The database is at revision ")


def test_migrate_without_a_database_says_what_to_do() -> None:
    done = callboard("migrate", DATABASE_URL="")
    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL is not set. Export it")
    assert len(done.stderr.splitlines()) == 1


def test_migrate_with_a_database_that_is_away_says_so_without_its_password() -> None:
    done = callboard("migrate", DATABASE_URL="postgresql://callboard:s3cret@127.0.0.1:1/callboard")
    assert done.returncode == 6
    assert "The database postgresql://callboard:********@127.0.0.1:1/callboard could not be migrated" in done.stderr
    assert "Start it, or correct DATABASE_URL" in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_are_all_listed_with_what_they_mean() -> None:
    # When
    listed = {setting["name"]: setting for setting in json.loads(callboard("settings", "--json", PORT="8123").stdout)}

    # Then
    assert set(listed) == {name.upper() for name in Settings.model_fields}
    assert all(setting["meaning"] for setting in listed.values())
    assert (listed["PORT"]["value"], listed["PORT"]["default"], listed["PORT"]["is_set"]) == (8123, 8000, True)
    assert listed["HOST"]["is_set"] is False


def test_settings_show_no_secret() -> None:
    for arguments in (["settings"], ["settings", "--json"]):
        done = callboard(*arguments, **SECRETS)
        assert done.returncode == 0
        assert "s3cret" not in done.stdout + done.stderr
        assert "db.example" in done.stdout


def test_wrong_settings_are_listed_too_and_each_is_named() -> None:
    # When two are wrong
    done = callboard("settings", PORT="http", SMTP_SECURITY="s3cret-typo")

    # Then the list is there, and the message names both without their values
    assert done.returncode == 1
    assert "SMTP_FINAL_TIMEOUT" in done.stdout
    assert "PORT: " in done.stderr
    assert "SMTP_SECURITY: " in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
