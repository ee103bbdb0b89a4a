"""Templates of e-mails: `NAME.subject`, `NAME.html` and, where the one made from the HTML will not do, `NAME.txt`.

They are looked for in EMAIL_TEMPLATES first, then beside this file. Whoever writes a template can do nothing but write
mail: it runs in Jinja's sandbox, a name that was not given is an error, values are escaped in HTML, and neither a style
sheet nor a picture is fetched from anywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import css_inline
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from errors import BadArguments

OWN = Path(__file__).parent / "own_templates"
MOST_WRITTEN = 512 * 1024  # characters of one rendered part

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_link_tags=False)


@dataclass(frozen=True)
class Written:
    """What a template made of its data."""

    subject: str
    text: str
    html: str | None


class Templates:
    """Those of a folder, and our own."""

    def __init__(self, folder: Path | None) -> None:
        loaders: list[BaseLoader] = [FileSystemLoader(path) for path in (folder, OWN) if path is not None]
        self._html = _environment(ChoiceLoader(loaders), autoescape=True)
        self._text = _environment(ChoiceLoader(loaders), autoescape=False)

    def names(self) -> list[str]:
        """Of all that have a subject."""
        found = self._text.list_templates(filter_func=lambda file: file.endswith(".subject"))
        return sorted(name for file in found if _NAME.fullmatch(name := file.removesuffix(".subject")))

    def write(self, name: str, data: Mapping[str, Any], *, finished: bool = True) -> Written:
        """Raises BadArguments for a template that does not exist or does not work with this data.

        Unless it is to be `finished` the styles stay where they are, which is enough to know whether it works.
        """
        if not _NAME.fullmatch(name):
            raise BadArguments(f"{name[:100]!r} is no template's name. Use small letters, digits, - and _.", "template")
        subject = " ".join(self._render(self._text, f"{name}.subject", data).split())
        html = self._optional(self._html, f"{name}.html", data)
        text = self._optional(self._text, f"{name}.txt", data)
        if text is None and html is None:
            raise BadArguments(f"The template {name!r} has neither {name}.html nor {name}.txt.", "template")
        if html is not None and finished:
            html = inlined(html)
        return Written(subject, text if text is not None else plain_text(html or ""), html)

    def _optional(self, environment: ImmutableSandboxedEnvironment, file: str, data: Mapping[str, Any]) -> str | None:
        if file not in environment.list_templates(filter_func=lambda name: name == file):
            return None
        return self._render(environment, file, data)

    def _render(self, environment: ImmutableSandboxedEnvironment, file: str, data: Mapping[str, Any]) -> str:
        try:
            # Piece by piece, so that a template that never ends is stopped.
            written, size = [], 0
            for piece in environment.get_template(file).generate(data):
                size += len(piece)
                if size > MOST_WRITTEN:
                    raise BadArguments(f"The template {file} wrote more than {MOST_WRITTEN:,} characters.", "template")
                written.append(piece)
            return "".join(written)
        except TemplateNotFound as error:
            raise BadArguments(
                f"There is no template {error.name!r}. EMAIL_TEMPLATES is its folder.", "template"
            ) from None
        except TemplateError as error:
            raise BadArguments(f"The template {file} does not work with this data: {error.message}.", "data") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise BadArguments(f"The template {file} does not work with this data: {error}.", "data") from None


@cache
def templates(folder: Path | None) -> Templates:
    """One for the process: it keeps what it has compiled."""
    return Templates(folder)


def inlined(html: str) -> str:
    """The styles of `<style>` in each element's own attribute, which is all that many mail programs look at."""
    try:
        return _INLINER.inline(html)
    except css_inline.InlineError as error:
        raise BadArguments(f"The styles of the HTML cannot be inlined: {error}.", "template") from None


def plain_text(html: str) -> str:
    """The text of an HTML mail, with its links in full, for who reads text."""
    if not html.strip():
        return ""
    text: str = get_text(html, ParserConfig(css=CSS_PROFILES["strict"], display_links=True))
    return text.strip() + "\n"


def _environment(loader: BaseLoader, *, autoescape: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=loader, autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=400
    )
