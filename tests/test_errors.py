"""The tree at the head of errors.py is the family."""

import inspect
import re

import errors


def test_the_tree_is_drawn_as_it_is() -> None:
    """Given the drawing, then it has every error, each below the one that it is a kind of."""
    drawn: dict[str, str] = {}
    above = ["CallboardError"]
    for branch, name in re.findall(r"^((?:│   |    )*[├└]── )(\w+)", errors.__doc__ or "", flags=re.MULTILINE):
        depth = len(branch) // 4
        drawn[name] = above[depth - 1]
        above[depth:] = [name]
    kinds = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == "errors"}
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in kinds.items() if name != "CallboardError"}
