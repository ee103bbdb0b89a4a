"""PgBouncer between Callboard and PostgreSQL, in transaction mode."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.process import Process
from tests.support.programs import pgbouncer

INI = """
[databases]
{name} = host={host} port={port} dbname={name} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 500
server_reset_query_always = 1
server_reset_query = DISCARD ALL
"""


async def start(url: str, folder: Path) -> tuple[str, Process]:
    """The URL that leads through it, and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listens = free.getsockname()[1]
    parts = urlsplit(url)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        INI.format(
            name=parts.path[1:], host=parts.hostname, port=parts.port or 5432, user=parts.username,
            password=parts.password, listens=listens,
        )
    )  # fmt: skip
    as_nobody = ["-u", "nobody"] if os.getuid() == 0 else []  # it does not run as root
    process = Process([str(pgbouncer()), *as_nobody, str(settings)], {}, folder / "pgbouncer.log")
    await process.says("process up")
    return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{listens}")), process
