"""Tests of local/procfile.py."""

from pathlib import Path

import pytest

from errors import ConfigurationError
from local import procfile


def test_what_keeps_running_is_read_in_order(tmp_path: Path) -> None:
    # Given
    file = tmp_path / "Procfile"
    file.write_text(
        "release: callboard migrate\n\n# The web\nweb: serve --port ${PORT:-8000}\nmail-worker: work: hard\n"
    )

    # Then
    assert list(procfile.read(file).items()) == [("web", "serve --port ${PORT:-8000}"), ("mail-worker", "work: hard")]


def test_a_line_that_is_no_process_is_named(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("web: serve\nworker dramatiq actors\n")
    with pytest.raises(ConfigurationError, match="Procfile, line 2, is not `name: command`: worker dramatiq actors"):
        procfile.read(file)
