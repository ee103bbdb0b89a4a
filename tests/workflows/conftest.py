"""These tests share the processes of the engine."""

from tests.runtime.engine import engine, hurry, running, stage

__all__ = ["engine", "hurry", "running", "stage"]
