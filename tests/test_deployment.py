"""Tests of the files that say how it is installed and run: they must agree with each other and with the code."""

import os
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from local import procfile
from settings import Settings
from tests.support.process import ROOT

LOCKS = ("requirements.lock", "requirements-local.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry_and_hashes_everything(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE)  # no options: no index, no links
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    production, local, development = (pins(lock) for lock in LOCKS)
    for lock, wanted in (
        (production, project["dependencies"]),
        (local, extras["local"]),
        (development, extras["dev"]),
    ):
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(lock[requirement.name.lower()]), f"run `make lock` for {requirement}"
    assert production.items() <= local.items() <= development.items()


def test_the_lock_overrides_the_old_pins_of_the_dashboard() -> None:
    assert pins("requirements.lock")["dramatiq"] >= "2.2.1"
    assert int(pins("requirements.lock")["redis"].split(".")[0]) >= 8


def test_compose_has_a_service_for_each_line_of_the_procfile() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for name, command in procfile.read(ROOT / "Procfile").items():
        service = re.search(rf"^  {name}:\n(    .*\n|\n)+", compose, flags=re.MULTILINE)
        assert service, f"docker-compose.yml has no service {name}"
        assert f"command: {' '.join(command.split()[:2])}" in service[0]


@pytest.mark.parametrize(("exported", "host"), [({}, "127.0.0.1"), ({"HOST": "0.0.0.0"}, "0.0.0.0")])
def test_the_web_process_listens_to_others_only_where_that_is_exported(exported: dict[str, str], host: str) -> None:
    """The shell that runs the Procfile reads no .env: what it falls back to is safe, and the settings' own."""
    line = procfile.read(ROOT / "Procfile")["web"]
    environment = {"PATH": os.environ["PATH"], **exported}
    said = subprocess.run(
        ["sh", "-c", f"echo {line}"], env=environment, capture_output=True, text=True, timeout=60
    ).stdout
    assert f"--host {host} --port 8000" in said
    assert Settings.model_fields["host"].default == "127.0.0.1"


def test_every_process_in_a_container_gets_the_settings_of_the_environment_file() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "callboard"}
    assert ours.keys() == {"release", *procfile.read(ROOT / "Procfile"), "worker-email"}
    for name, service in ours.items():
        assert service["env_file"] == [{"path": ".env", "required": False}], name


def test_the_example_environment_names_every_setting() -> None:
    named = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_make_help_lists_every_command() -> None:
    # When
    listed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, timeout=60).stdout

    # Then
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony
    for command in phony[1].split():
        assert re.search(rf"^{command} +\w", listed, flags=re.MULTILINE), f"{command} says nothing about itself"


def test_make_with_a_python_too_old_says_so_in_one_sentence() -> None:
    done = subprocess.run(
        ["make", "-C", ROOT, "--always-make", ".venv/installed-dev", "PYTHON=false"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Callboard needs Python 3.11 or newer, and 'false' is not. Say which to use" in done.stdout
