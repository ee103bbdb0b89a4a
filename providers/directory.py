"""The users of a directory (Active Directory, or what answers as it does), read over LDAP.

Blocking: call it in a thread. Sources: RFC 4511 (LDAP), RFC 4513 section 3 (StartTLS), RFC 2696 (paging), MS-ADTS
2.2.16 (userAccountControl).
"""

import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException

from errors import ConfigurationError, DirectoryError
from settings import Settings

_ATTRIBUTES = ["objectGUID", "sAMAccountName", "mail", "displayName", "userAccountControl"]
_ACCOUNT_DISABLED = 0x2  # a bit of userAccountControl


@dataclass(frozen=True)
class DirectoryUser:
    object_guid: uuid.UUID
    account_name: str
    mail: str | None
    display_name: str | None
    enabled: bool


def read_users(settings: Settings) -> list[DirectoryUser]:
    """All users that LDAP_FILTER finds under LDAP_BASE_DN: all of them, or an error.

    Raises ConfigurationError; DirectoryError if the directory is away, refuses us, gives a part only, or a user of whom
    it does not say objectGUID and sAMAccountName (the account that asks may not read them).
    """
    if not settings.ldap_url or not settings.ldap_base_dn:
        raise ConfigurationError("LDAP_URL and LDAP_BASE_DN are not both set. Set them to where the users are.")
    try:
        with _connected(settings) as connection:
            users = [_user(entry) for entry in _entries(connection, settings)]
    except (LDAPException, OSError) as error:
        raise DirectoryError(f"The directory {settings.ldap_url} could not be read: {error}") from error
    return list({user.object_guid: user for user in users}.values())


@contextmanager
def _connected(settings: Settings) -> Iterator[ldap3.Connection]:
    """A bound connection, encrypted before it says who we are unless LDAP_START_TLS forbids that."""
    assert settings.ldap_url
    server = ldap3.Server(
        settings.ldap_url,
        tls=ldap3.Tls(
            validate=ssl.CERT_REQUIRED, ca_certs_file=str(settings.ldap_ca_file) if settings.ldap_ca_file else None
        ),
        connect_timeout=settings.ldap_timeout,
        get_info=ldap3.NONE,
    )
    connection = ldap3.Connection(
        server,
        user=settings.ldap_bind_dn,
        password=settings.ldap_password.get_secret_value() if settings.ldap_password else None,
        receive_timeout=settings.ldap_timeout,
        auto_referrals=False,  # our password is for this server
        read_only=True,
        raise_exceptions=True,
    )
    try:
        connection.open(read_server_info=False)
        if settings.ldap_start_tls and not server.ssl:
            connection.start_tls(read_server_info=False)
        connection.bind(read_server_info=False)
        yield connection
    finally:
        connection.strategy.close()
        if connection.socket is not None:
            connection.socket.close()  # one that could not be connected


def _entries(connection: ldap3.Connection, settings: Settings) -> Iterator[dict[str, Any]]:
    """Page by page, none of them kept. Raises DirectoryError if it ends before the last one."""
    answers = connection.extend.standard.paged_search(
        settings.ldap_base_dn,
        settings.ldap_filter,
        attributes=_ATTRIBUTES,
        paged_size=settings.ldap_page_size,
        generator=True,
    )
    for answer in answers:
        if answer["type"] == "searchResEntry":
            yield answer
    outcome = connection.result["description"]
    if outcome != "success":  # ldap3 raises nothing for limits of size and time
        raise DirectoryError(f"The directory gave a part of its users and stopped: {outcome}. Raise its limit.")


def _user(entry: dict[str, Any]) -> DirectoryUser:
    values = {name.lower(): each[0] for name, each in entry["raw_attributes"].items() if each}
    guid, account_name = values.get("objectguid", b""), _text(values.get("samaccountname"))
    if len(guid) != 16 or account_name is None:
        raise DirectoryError(
            f"The directory does not say objectGUID and sAMAccountName of {entry['dn']}: let the account of "
            "LDAP_BIND_DN read them, or leave such entries out with LDAP_FILTER."
        )
    return DirectoryUser(
        uuid.UUID(bytes_le=guid),
        account_name,
        _text(values.get("mail")),
        _text(values.get("displayname")),
        not int(values.get("useraccountcontrol", b"0")) & _ACCOUNT_DISABLED,
    )


def _text(value: bytes | None) -> str | None:
    """NUL is no character for PostgreSQL; an empty text says nothing."""
    return value.decode(errors="replace").replace("\0", "").strip() or None if value else None
