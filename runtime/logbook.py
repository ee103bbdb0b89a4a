"""How much a run has logged, and whether its log is full."""

from dataclasses import dataclass


@dataclass
class LogBook:
    lines: int = 0
    size: int = 0  # bytes
    unwritten: int = 0  # lines
    lost: int = 0  # lines for which there was no room in the worker
    is_full: bool = False
