"""Tests of what local/install.py advises when a step fails."""

import pytest

from local.install import advice


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "find out why"),
        ("error: command 'gcc' failed: No such file or directory", "Install a compiler"),
        ("fatal error: Python.h: No such file or directory", "Install a compiler"),
        ("ERROR: No matching distribution found for asyncpg==0.32.0", "Check the connection, or use Python"),
        ("NewConnectionError: ...\nERROR: No matching distribution found", "cannot be reached. Try again"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("something nobody thought of", "The lines above say why."),
    ],
)
def test_a_failed_step_says_what_to_do(output: str, expected: str) -> None:
    assert expected in advice(output)
