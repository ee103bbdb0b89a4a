"""`read_users`: all of the directory's users, or an error that says what to do."""

from pathlib import Path
from typing import Any

import pytest

from errors import ConfigurationError, DirectoryError
from providers.directory import DirectoryUser, read_users
from settings import Settings
from tests.directory.conftest import environment_of, lower
from tests.directory.slapd import Directory
from tests.email.certificates import Authority


async def test_all_pages_are_read_over_an_encrypted_connection(directory: Directory, asked: Settings) -> None:
    """Given five users, one of them disabled, in a directory that answers encrypted only, two to a page, when they are
    read, then all are there with their objectGUID."""
    ada = directory.add("ada", mail="ada@example.com", displayName="Ada Lovelace", userAccountControl="512")
    bob = directory.add("bob", userAccountControl="514")
    others = {directory.add(name) for name in ("cleo", "dora", "emil")}
    users = {user.object_guid: user for user in read_users(asked)}
    assert users.keys() == {ada, bob} | others
    assert users[ada] == DirectoryUser(ada, "ada", "ada@example.com", "Ada Lovelace", enabled=True)
    assert users[bob] == DirectoryUser(bob, "bob", None, None, enabled=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ldap_password": "wrong"}, "invalidCredentials"),
        ({"ldap_start_tls": False}, "confidentialityRequired"),
        ({"ldap_base_dn": "ou=nowhere,dc=example,dc=com"}, "noSuchObject"),
        ({"ldap_filter": "(((("}, "filter"),
        ({"ldap_bind_dn": "", "ldap_password": ""}, "sizeLimitExceeded"),  # a part is no answer
        ({"ldap_filter": "(objectClass=organizationalUnit)"}, "objectGUID"),
        ({"ldap_url": "ldap://127.0.0.1:1"}, "could not be read"),
    ],
)
async def test_what_keeps_it_from_being_read_is_said(
    directory: Directory, asked: Settings, changes: dict[str, Any], said: str
) -> None:
    for name in ("ada", "bob", "cleo", "dora"):
        directory.add(name)
    with pytest.raises(DirectoryError, match=said):
        read_users(asked_so(asked, changes, directory))


async def test_a_directory_with_a_strangers_certificate_is_not_told_the_password(
    directory: Directory, asked: Settings, tmp_path: Path
) -> None:
    (stranger := tmp_path / "stranger.pem").write_text(Authority(tmp_path).pem)
    with pytest.raises(DirectoryError, match="certificate"):
        read_users(asked_so(asked, {"ldap_ca_file": stranger}, directory))


def test_without_its_settings_it_says_which(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="LDAP_BASE_DN"):
        read_users(settings)


def asked_so(asked: Settings, changes: dict[str, Any], directory: Directory) -> Settings:
    given = asked.model_dump(exclude_unset=True) | lower(environment_of(directory)) | changes
    return Settings.model_validate(given)
