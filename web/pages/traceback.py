"""A traceback as frames, those of libraries told from the application's own."""

import re
from dataclasses import dataclass

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_LIBRARY = re.compile(r"/(site|dist)-packages/|/lib/python3\.\d+/|^<frozen ")


@dataclass(frozen=True)
class Part:
    """A stretch of the text. `kind` is "text" (headings, what was raised), "library" or "application"."""

    kind: str
    text: str
    frames: int = 0


def parts(traceback: str) -> list[Part]:
    """The text in order, neighbouring frames of libraries as one part. Put together they are the text again."""
    found: list[Part] = []
    for chunk in _chunks(traceback):
        match = _FRAME.match(chunk)
        kind = "text" if match is None else "library" if _LIBRARY.search(match["file"]) else "application"
        if kind == "library" and found and found[-1].kind == "library":
            found[-1] = Part(kind, found[-1].text + chunk, found[-1].frames + 1)
        else:
            found.append(Part(kind, chunk, int(match is not None)))
    return found


def _chunks(traceback: str) -> list[str]:
    """Lines that belong together: a frame with its source, or what is between frames."""
    chunks: list[str] = []
    for line in traceback.splitlines(keepends=True):
        starts = _FRAME.match(line) is not None
        inside = bool(chunks) and _FRAME.match(chunks[-1]) is not None
        if not chunks or starts or (inside and not line.startswith("    ")):
            chunks.append(line)
        else:
            chunks[-1] += line
    return chunks
