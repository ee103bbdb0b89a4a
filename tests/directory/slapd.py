"""A directory of a test's own: OpenLDAP's slapd with the schema of Active Directory, which answers encrypted only."""

import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import ldap3

from tests.email.certificates import Authority
from tests.support.process import Process
from tests.support.programs import slapd
from tests.support.waiting import wait_for

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
ADMIN, PASSWORD = f"cn=admin,{SUFFIX}", "secret"
SCHEMAS = ("core", "cosine", "inetorgperson")

# What Active Directory has besides (MS-ADA2, MS-ADA3, MS-ADSC), as far as it is read.
SCHEMA = """
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
    MAY ( objectGUID $ sAMAccountName $ userAccountControl ) )
"""

# An anonymous reader is given three entries and told that there are more.
CONFIGURATION = """
{includes}
include {folder}/user.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
TLSCACertificateFile {authority}
security tls=1
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
limits anonymous size=3 size.prtotal=3
access to * by * read
"""


class Directory:
    """`add`, `change` and `remove` people; `url` and `authority` (a PEM file) are what a client needs."""

    def __init__(self, url: str, authority: Path) -> None:
        self.url, self.authority = url, authority

    def found(self) -> None:
        with self._open() as connection:
            connection.add(SUFFIX, ["dcObject", "organization"], {"o": "Example"})
            connection.add(PEOPLE, "organizationalUnit")

    def add(self, name: str, guid: uuid.UUID | None = None, **attributes: str) -> uuid.UUID:
        """Somebody called so. Returns the GUID."""
        guid = guid or uuid.uuid4()
        values = {"sn": name, "sAMAccountName": name, "objectGUID": guid.bytes_le, **attributes}
        with self._open() as connection:
            connection.add(f"cn={name},{PEOPLE}", "user", values)
        return guid

    def change(self, name: str, **attributes: str) -> None:
        with self._open() as connection:
            connection.modify(
                f"cn={name},{PEOPLE}", {key: [(ldap3.MODIFY_REPLACE, [value])] for key, value in attributes.items()}
            )

    def remove(self, *names: str) -> None:
        with self._open() as connection:
            for name in names:
                connection.delete(f"cn={name},{PEOPLE}")

    @contextmanager
    def _open(self) -> Iterator[ldap3.Connection]:
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.authority))
        server = ldap3.Server(self.url, tls=tls, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, ADMIN, PASSWORD, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND, raise_exceptions=True
        )
        try:
            yield connection
        finally:
            connection.unbind()


def listens(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def start(folder: Path) -> tuple[Directory, Process]:
    """An empty directory on a port of its own."""
    authority = Authority(folder)
    authority.server("127.0.0.1")
    (folder / "authority.pem").write_text(authority.pem)
    (folder / "data").mkdir()
    (folder / "user.schema").write_text(SCHEMA)
    (folder / "slapd.conf").write_text(
        CONFIGURATION.format(
            includes="\n".join(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS),
            folder=folder,
            certificate=folder / "127.0.0.1.pem",
            authority=folder / "authority.pem",
            suffix=SUFFIX,
            admin=ADMIN,
            password=PASSWORD,
        )
    )
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [slapd() or "slapd", "-h", f"ldap://127.0.0.1:{port}", "-f", str(folder / "slapd.conf"), "-d", "256"]
    process = Process(command, {}, folder / "slapd.log")
    await process.says("slapd starting")
    await wait_for(lambda: listens(port), what=f"slapd to listen on {port}")  # it says so a moment before
    directory = Directory(f"ldap://127.0.0.1:{port}", folder / "authority.pem")
    directory.found()
    return directory, process
