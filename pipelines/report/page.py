"""One HTML file that loads nothing: its data lie in it, compressed, and are read piece by piece as they are looked at.

    summary     JSON: names, counts, charts; drawn while the rest is still being read
    index       gzip, base64: a row of codes for each sample shown, by which it is filtered
    c0, c1, …   gzip, base64: the samples, a few in each
    p0, p1, …   base64: images, each once

No text of a model is ever part of the markup: data is in blocks that no browser runs, base64 or with every `<`
escaped, and the script writes them as text nodes. Should that fail, the page's own policy (CSP) lets only our two scripts
run, known by their hashes, and lets nothing be fetched.
"""

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, TextIO

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
"""
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    # Vega compiles the expressions of our own charts, which is what 'unsafe-eval' is for.
    "script-src {hashes} 'unsafe-eval'"
)


def write_page(
    file: TextIO,
    title: str,
    summary: Mapping[str, Any],
    blocks: Iterable[tuple[str, str]],
    chart_script: str,
) -> None:
    """Write the page: `summary` first, then each of `blocks` (id, text of base64) as it comes."""
    page_script = asset("page.js")
    hashes = " ".join(_hash(script) for script in (page_script, chart_script))
    policy = _POLICY.format(hashes=hashes)
    file.write(_HEAD.format(policy=policy, title=html.escape(title), style=asset("page.css")))
    file.write(asset("page.html"))
    file.write(f'<script type="application/json" id="summary">{inert(summary)}</script>\n')
    file.write(f"<script>{page_script}</script>\n")
    for name, text in blocks:
        file.write(f'<script type="text/plain" id="{name}">{text}</script>\n')
    # As a module it keeps its names to itself.
    file.write(f'<script type="module">{chart_script}</script>\n</body>\n</html>\n')


def inert(value: Any) -> str:
    """JSON that holds no `<`, so nothing in it can end the block that it is in."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def packed(value: Any) -> str:
    """JSON, gzip, base64. The same value gives the same text."""
    data = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode()


def asset(name: str) -> str:
    """A file of the page that comes with the package."""
    return (files("pipelines.report") / "assets" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
