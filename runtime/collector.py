"""Python's garbage collector, where it costs more than it finds."""

import contextlib
import gc
from collections.abc import Iterator


def freeze() -> None:
    """What there is now, code for the most part, stays as long as the process. To look through it takes a tenth of a
    second and more each time, in which nothing else runs. For processes of our own, once everything is imported."""
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def at_rest() -> Iterator[None]:
    """All that is made in here is kept. The collector would count it, take it for a reason to look through the whole
    process, and find nothing: a third of the time that 10,000 jobs take."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
