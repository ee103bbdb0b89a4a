"""A lock file, held until a process *and the children it hands the file to* have all ended."""

import fcntl
import os
from pathlib import Path


class Lock:
    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Leave the lock to the children that inherited the file; free it when there are none."""
        os.close(self.fd)
