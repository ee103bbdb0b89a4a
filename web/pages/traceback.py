"""A traceback as frames, those of libraries told from the application's own, and these with the source around them."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.callers import Caller
from services.masking import masking
from web.pages.source import Source, around

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d{1,9})', re.MULTILINE)
_LIBRARY = re.compile(r"/(site|dist)-packages/|/lib/python3\.\d+/|^<frozen ")


@dataclass(frozen=True)
class Part:
    """A stretch of the text. `kind` is "text" (headings, what was raised), "library" or "application"."""

    kind: str
    text: str
    frames: int = 0
    source: Source | None = None


async def shown(tracebacks: Iterable[str | None], caller: Caller) -> list[list[Part]]:
    """Each as this caller may see it: masked, and with its source for whoever operates. In a thread: files are read."""
    texts = [masking().text(traceback or "") for traceback in tracebacks]
    return await asyncio.to_thread(lambda: [parts(text, with_source=caller.may("operate")) for text in texts])


def parts(traceback: str, *, with_source: bool = False) -> list[Part]:
    """The text in order, neighbouring frames of libraries as one part. Put together they are the text again."""
    found: list[Part] = []
    for chunk in _chunks(traceback):
        match = _FRAME.match(chunk)
        kind = "text" if match is None else "library" if _LIBRARY.search(match["file"]) else "application"
        if kind == "library" and found and found[-1].kind == "library":
            found[-1] = Part(kind, found[-1].text + chunk, found[-1].frames + 1)
        else:
            source = _source(match, chunk) if match and kind == "application" and with_source else None
            found.append(Part(kind, chunk, int(match is not None), source))
    return found


def _source(frame: re.Match[str], chunk: str) -> Source | None:
    _, _, quoted = chunk.partition("\n")
    return around(frame["file"], int(frame["line"]), quoted.partition("\n")[0])


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
