"""Both kinds of actor: what holds for one must hold for the other."""

import pytest

BOTH_KINDS = pytest.mark.parametrize("kind", ["async", "sync"])
