"""These tests share the processes of the engine."""

from tests.runtime.engine import engine, running, stage

__all__ = ["engine", "running", "stage"]
