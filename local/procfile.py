"""The Procfile: what the processes are called and which command each of them is."""

import re
from pathlib import Path

from errors import ConfigurationError

LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read(file: Path) -> dict[str, str]:
    """All processes that keep running: not `release`, which ends."""
    processes: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigurationError(f"{file.name}, line {number}, is not `name: command`: {line}")
        processes[match[1]] = match[2]
    processes.pop("release", None)
    return processes
