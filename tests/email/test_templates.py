"""Templates: what they make, and what they cannot do."""

from pathlib import Path

import pytest

from errors import BadArguments
from providers.email.templates import Templates, inlined, plain_text


def templates(folder: Path, **files: str) -> Templates:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return Templates(folder)


def test_html_gets_its_styles_inlined_and_a_text_of_its_own(tmp_path: Path) -> None:
    made = templates(
        tmp_path,
        hello_subject="Hello\n {{ name }}\n",
        hello_html="<style>a { color: red }</style><p>Dear {{ name }},</p><p><a href='https://x.example/y'>look</a></p>",
    ).write("hello", {"name": "<Ada>\r\nBcc: eve@example.com"})
    assert made.subject == "Hello <Ada> Bcc: eve@example.com"
    assert made.html is not None
    assert '<a href="https://x.example/y" style="color: red;">look</a>' in made.html
    assert "Dear &lt;Ada&gt;" in made.html
    assert "[look](https://x.example/y)" in made.text


def test_a_text_of_ones_own_is_not_escaped(tmp_path: Path) -> None:
    made = templates(tmp_path, a_subject="a", a_txt="{{ name }}").write("a", {"name": "<Ada>"})
    assert (made.text, made.html) == ("<Ada>", None)


@pytest.mark.parametrize(
    "text",
    [
        "{{ nobody }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__init__.__globals__ }}",
        "{% for x in range(10**9) %}x{% endfor %}",
        "{{ 1 / 0 }}",
        "{% include '/etc/passwd' %}",
        "{% include '../secret' %}",
        "{% if %}",
        "{{ items.append(1) }}",
    ],
)
def test_what_a_template_cannot_do_is_an_error_of_its_own(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "templates"
    folder.mkdir()
    with pytest.raises(BadArguments):
        templates(folder, a_subject="a", a_txt=text).write("a", {"name": "Ada", "items": []})


def test_a_template_that_writes_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match="more than"):
        templates(tmp_path, a_subject="a", a_txt="{% for x in range(90000) %}1234567{% endfor %}").write("a", {})


def test_no_style_sheet_is_fetched(tmp_path: Path) -> None:
    """Given links to a file and to an address, when styles are inlined, then neither was read."""
    (tmp_path / "style.css").write_text("p { color: red }")
    for url in (f"file://{tmp_path}/style.css", str(tmp_path / "style.css"), "http://127.0.0.1:1/style.css"):
        assert "red" not in inlined(f'<link rel="stylesheet" href="{url}"><p>x</p>')


@pytest.mark.parametrize("html", ["", "<!-- -->", "<p>", "&", "<script>alert(1)</script>", "<table><tr><td>1<td>2"])
def test_every_html_has_a_text(html: str) -> None:
    assert "alert" not in plain_text(html)
