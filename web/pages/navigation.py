"""The console's pages, in the order of the rail."""

from typing import NamedTuple


class Page(NamedTuple):
    path: str
    title: str
    icon: str  # a macro's argument in templates/icons.html
    key: str  # `g` and this letter go there


PAGES = (Page("/", "Overview", "overview", "o"),)
