"""Check the built site: `python docs/_check_site.py FOLDER`.

Every public name is documented, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

from _pages import MODULES, home, public_names

_LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
_RELATIONS = {"stylesheet", "icon", "preconnect", "preload", "dns-prefetch", "modulepreload"}
_IN_STYLES = re.compile(r"(?:url\(|@import )\s*[\"']?((?:https?:)?//[^\"')]+)")


class _Page(HTMLParser):
    """Collects the anchors of a page, and what a browser loads for it from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        loaded = values.get(_LOADING.get(tag, ""), "")
        if tag == "link" and _RELATIONS & set(values.get("rel", "").split()):
            loaded = values.get("href", "")
        if re.match(r"(https?:)?//", loaded):
            self.foreign.append(loaded)


def problems(site: Path) -> Iterator[str]:
    """Yield what is wrong with a site."""
    pages = {}
    for file in site.rglob("*.html"):
        page = pages[file.relative_to(site).as_posix()] = _Page()
        text = file.read_text(encoding="utf-8")
        page.feed(text)
        yield from (f"{file} loads {each}" for each in page.foreign)
        if 'class="mermaid"' in text and "assets/mermaid.min.js" not in text:
            yield f"{file} has a diagram, and would load Mermaid from elsewhere"
    for file in site.rglob("*.css"):
        styles = file.read_text(encoding="utf-8")
        yield from (f"{file} loads {each}" for each in _IN_STYLES.findall(styles))
    for name in MODULES:
        page = pages[f"reference/{name}.html"]
        for each in public_names(import_module(name)):
            if home(name, each) is None and f"{name}.{each}" not in page.anchors:
                yield f"reference/{name}.html does not describe {each}"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    print(*found, f"{len(found)} problems", sep="\n")
    sys.exit(bool(found))
