"""Tests of what settings.py makes of what people write."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings


@pytest.mark.parametrize(
    "name", ["callboard_home", "email_folder", "email_templates", "outgoing_ca_file", "ldap_ca_file"]
)
def test_a_path_may_begin_with_a_tilde(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands it in an environment file: a folder called ~ would be made wherever the process runs."""
    monkeypatch.setenv(name.upper(), "~/there")
    assert getattr(Settings(), name) == Path.home() / "there"


def test_a_home_that_nobody_has_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"callboard_home\n.*~nobody-at-all/x begins with a home that nobody has"):
        Settings.model_validate({"callboard_home": "~nobody-at-all/x"})


OPTIONAL = [name for name, field in Settings.model_fields.items() if field.default is None or field.default_factory]


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_is_optional_is_unset_by_an_empty_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named by nothing would be the one that the process runs in."""
    monkeypatch.setenv(name.upper(), "")
    default = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    assert getattr(Settings(), name) == default
