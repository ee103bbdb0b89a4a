"""What the stack stands on, on this machine: the servers and a free port."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from errors import ConfigurationError
from local import home, servers
from local.steps import Steps
from settings import Settings, load

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)


@dataclass(frozen=True)
class Machine:
    home: Path
    settings: Settings
    environment: dict[str, str]  # what the processes of the stack get

    @property
    def url(self) -> str:
        host = self.settings.host
        return f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{self.settings.port}"


@contextmanager
def prepared(steps: Steps) -> Iterator[Machine]:
    """The servers run as long as this lasts. Our own environment says where, as if somebody had exported it."""
    settings = load()
    require_free_port(settings.host, settings.port)
    folder = home.prepare(settings.callboard_home)
    with servers.running(folder, servers.given(settings), steps) as urls:
        environment = urls | {
            "CALLBOARD_HOME": str(folder),
            "HOST": settings.host,
            "PORT": str(settings.port),
        }
        os.environ.update(environment)
        yield Machine(folder, load(), environment)


def require_free_port(host: str, port: int) -> None:
    """Raises ConfigurationError when the web process could not listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does: a port just left is free
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} of {host} cannot be used: {error.strerror}. Choose another one with PORT={port + 1}."
            ) from None
