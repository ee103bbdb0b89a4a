"""Arguments as people see and edit them: masked where they are secret, and put back where nobody touched them."""

from typing import Any, TypeVar, cast

from services.masking import MASK

T = TypeVar("T")


def restored(edited: T, original: Any) -> T:
    """What was shown masked and was not touched is what it was."""
    return cast("T", _restored(edited, original))


def _restored(edited: Any, original: Any) -> Any:
    if edited == MASK:
        return original
    if isinstance(edited, dict) and isinstance(original, dict):
        return {name: _restored(value, original.get(name, value)) for name, value in edited.items()}
    if isinstance(edited, list) and isinstance(original, list):
        rest = original + edited[len(original) :]
        return [_restored(value, before) for value, before in zip(edited, rest, strict=False)]
    return edited
