"""Secrets at rest."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from db.sealing import Sealer, derived_key
from errors import ConfigurationError
from settings import Settings


def test_what_is_sealed_is_opened_where_it_belongs_and_nowhere_else() -> None:
    """Given a sealed text, then it opens with the same key for the same owner, and with no other."""
    settings = Settings(secret_key=SecretStr("k" * 40))
    sealed = Sealer(settings, "tests").seal("whsec_é", "one")
    assert "whsec" not in sealed
    assert Sealer(settings, "tests").open(sealed, "one") == "whsec_é"
    others = [
        (Sealer(settings, "tests"), sealed, "two"),
        (Sealer(settings, "others"), sealed, "one"),
        (Sealer(Settings(secret_key=SecretStr("j" * 40)), "tests"), sealed, "one"),
        (Sealer(settings, "tests"), "no base64", "one"),
    ]
    for sealer, text, owner in others:
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            sealer.open(text, owner)


def test_without_a_setting_one_key_is_made_for_all(tmp_path: Path) -> None:
    """Given no SECRET_KEY, when many need it at once, then all have the same, in a file that only we may read."""
    settings = Settings(callboard_home=tmp_path / "home", secret_key=None)
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: derived_key(settings, "tests"), range(16)))
    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / "home" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret_key"]
