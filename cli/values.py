"""JSON as people type it."""

from pathlib import Path
from typing import Any

import orjson

from errors import BadArguments


def json_value(text: str, option: str) -> Any:
    """JSON, or @FILE that holds it. Raises BadArguments, naming the option."""
    try:
        return orjson.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise BadArguments(f"--{option}: {text[1:]} cannot be read: {error.strerror}.", option) from None
    except ValueError as error:
        raise BadArguments(f"--{option} is not JSON: {error}.", option) from None


def json_object(text: str, option: str) -> dict[str, Any]:
    """An object, as `json_value` reads it. Raises BadArguments, naming the option."""
    found = json_value(text, option)
    if not isinstance(found, dict):
        raise BadArguments(f'--{option} is not a JSON object. Write it like {{"name": "Ada"}}.', option)
    return found


def json_or_text(text: str) -> Any:
    """What is JSON is taken as such; all else is text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
