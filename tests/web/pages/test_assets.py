"""Tests of what browsers are sent besides pages."""

import gzip
import hashlib
import json
import re

import httpx

from web.pages.assets import FOLDER, asset
from web.pages.rendering import FOLDER as TEMPLATES

BUDGET = 45 * 1024  # bytes, compressed


def test_what_others_wrote_is_what_they_published() -> None:
    """The vendored files are those of the packages that the manifest names, byte for byte."""
    for entry in json.loads((FOLDER / "vendor/manifest.json").read_text()):
        assert hashlib.sha256((FOLDER / "vendor" / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry


def test_the_scripts_stay_small() -> None:
    """All of JavaScript there is, compressed, is within its budget."""
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in FOLDER.rglob("*.js")}
    assert sum(sizes.values()) <= BUDGET, sizes


def test_no_template_needs_what_the_content_security_policy_forbids() -> None:
    """No inline script, style or handler, nor what htmx would evaluate."""
    forbidden = re.compile(r"<script(?![^>]*(src=|application/json))|<style|\sstyle=|\son\w+=|hx-on|js:|javascript:")
    found = {path.name: forbidden.findall(path.read_text()) for path in TEMPLATES.rglob("*.html")}
    assert {name for name, places in found.items() if places} == set()


async def test_files_may_be_kept_for_ever(program: httpx.AsyncClient) -> None:
    """Given a file's address, then it may be kept; with another digest in it there is nothing there."""
    address = asset("app.css")
    kept = await program.get(address)
    assert kept.status_code == 200
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"].startswith("text/css")
    changed = re.sub("/static/.{16}/", "/static/0123456789abcdef/", address)
    assert (await program.get(changed)).status_code == 404
    assert (await program.get("/static/0123456789abcdef/../../settings.py")).status_code == 404


async def test_files_are_packed_for_who_can_unpack_them(program: httpx.AsyncClient) -> None:
    """Given a browser that takes gzip, and a program that does not, then both get the same file."""
    packed = await program.get(asset("app.js"), headers={"Accept-Encoding": "gzip, br"})
    plain = await program.get(asset("app.js"), headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.content == plain.content == (FOLDER / "app.js").read_bytes()
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]
