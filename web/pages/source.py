"""The source around a frame of a traceback, where this process has the file that the worker ran.

Only of the project's own Python files: what a traceback names is text, and an error's message may imitate a frame. So
the path, its links followed, must lie within the project, outside of libraries and hidden folders, and the line must be
the one that the traceback quotes. Where it is another, the file has been changed since, and no line of it is shown: it
would be taken for what ran.

Operators and administrators only. A traceback quotes the line that failed and everybody sees that, but the lines around
it may hold what nobody meant to show: masking knows how secrets look and are named, not what a program is worth.
"""

import os
import stat
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.masking import masking

ROOT = Path(__file__).resolve().parents[2]
_AROUND = 3  # lines before the one that failed, and after it
_LARGEST = 512 * 1024  # bytes of a file that is read


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    is_failing: bool


@dataclass(frozen=True)
class Source:
    """Lines of a file, its name as seen from the project; none if the file is not what it was."""

    name: str
    lines: tuple[Line, ...]


def around(file: str, number: int, quoted: str, root: Path = ROOT) -> Source | None:
    """The lines around that one, masked; None if they may not be shown, or are not there. `quoted` is the line as the
    traceback has it, masked."""
    try:
        path = Path(os.path.realpath(file, strict=True))
        if not quoted or not Path(file).is_absolute() or not _is_ours(path, root):
            return None
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        lines = _lines(path, found.st_size, found.st_mtime_ns)
    except (OSError, ValueError, SyntaxError):  # gone, not ours to read, no such path, or no text
        return None
    name = str(path.relative_to(root))
    if not 1 <= number <= len(lines) or lines[number - 1].strip() != quoted.strip():
        return Source(name, ())
    first, last = max(1, number - _AROUND), min(len(lines), number + _AROUND)
    return Source(name, tuple(Line(n, lines[n - 1], n == number) for n in range(first, last + 1)))


def _is_ours(path: Path, root: Path) -> bool:
    if path.suffix != ".py" or not path.is_relative_to(root) or "site-packages" in path.parts:
        return False
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


@lru_cache(maxsize=64)
def _lines(path: Path, _size: int, _changed: int) -> tuple[str, ...]:
    """Read again when the file is another. As Python reads it: by its own encoding, and a line ends where Python says
    so."""
    with tokenize.open(path) as file:
        return tuple(masking().lines(file.read().removesuffix("\n")))
