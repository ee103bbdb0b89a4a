"""CALLBOARD_HOME: the one folder of everything kept on this machine."""

import os
import pwd
import secrets
import stat
from pathlib import Path

from errors import ConfigurationError


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: it refuses root. None when we are not root and it can be us."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL cannot run as root, and this machine has no user `nobody` to run it as. "
            "Run this as another user, or set DATABASE_URL to a server of your own."
        ) from None


def prepare(home: Path) -> Path:
    """Make the folder, closed to others. As root, `nobody` may pass through it (to the servers' data) but not look."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {home} cannot be made: {error.strerror}. Set CALLBOARD_HOME to a folder you may write to."
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigurationError(f"You may not write to {home}. Set CALLBOARD_HOME to a folder of your own.")
    home = home.resolve()
    user = unprivileged_user()
    if user:
        let_pass(home, user)
        _require_passable_parents(home, user)
    return home


def let_pass(folder: Path, user: pwd.struct_passwd) -> None:
    """Let the user's group pass through the folder (x without r: it cannot list what is inside)."""
    if not _may_pass(folder, user):
        mode = stat.S_IMODE(folder.stat().st_mode)
        os.chown(folder, -1, user.pw_gid)
        folder.chmod(mode & ~stat.S_IRWXG | stat.S_IXGRP)


def _may_pass(folder: Path, user: pwd.struct_passwd) -> bool:
    found = folder.stat()
    if found.st_uid == user.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.pw_gid else stat.S_IXOTH))


def _require_passable_parents(home: Path, user: pwd.struct_passwd) -> None:
    for parent in home.parents:
        if not _may_pass(parent, user):
            raise ConfigurationError(
                f"CALLBOARD_HOME is {home}, but {parent} is closed to the user `{user.pw_name}`, as whom PostgreSQL "
                "runs when you are root. Set CALLBOARD_HOME to a folder outside it, such as /var/lib/callboard."
            )


def secret(file: Path, owner: pwd.struct_passwd | None = None) -> str:
    """A random password, made once and kept in a file that only its owner may read."""
    try:
        fd = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(fd, "w") as opened:
        opened.write(value := secrets.token_hex(16))
        if owner:
            os.fchown(fd, owner.pw_uid, owner.pw_gid)
    return value
