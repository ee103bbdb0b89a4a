"""A disk that is full, until somebody makes room: a small one, mounted on a folder."""

import os
import subprocess
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


class SmallDisk:
    """What was in the folder is hidden until `end()`, and whose it was stays so."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        owner = folder.stat()
        options = f"size={kilobytes}k,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, timeout=10)

    def fill(self) -> None:
        """Not a page is left."""
        piece = 2**20
        with self._ballast.open("ab", buffering=0) as file:
            while piece >= 1:
                try:
                    file.write(b"x" * piece)
                except OSError:  # no room for so much: for half of it, perhaps
                    piece //= 2

    def make_room(self) -> None:
        self._ballast.unlink()

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, timeout=10)
