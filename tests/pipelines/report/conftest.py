"""A build of made-up rows and its release, as the benchmark makes it, and the page of it taken apart."""

import base64
import gzip
import importlib.util
import json
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipelines.report.origin import Origin, find_origin
from pipelines.report.write import write_report

SAMPLES, SHOWN = 400, 150


class Page(HTMLParser):
    """The elements of a page: tags, addresses that would be loaded, and the text of each script by its id."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.scripts: dict[str, str] = {}
        self._open: str | None = None
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(found[name]) for name in ("src", "href", "data", "srcset", "action") if name in found]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        if tag == "script":
            self._open = found.get("id") or f"script {len(self.scripts)}"
            self.scripts[self._open] = ""

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.scripts[self._open] += data

    def unpacked(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.scripts[name])))

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts["summary"])
        return found

    @property
    def samples(self) -> list[dict[str, Any]]:
        return [row for name in self.scripts if name[0] == "c" and name[1:].isdigit() for row in self.unpacked(name)]

    @property
    def images(self) -> list[str]:
        return [name for name in self.scripts if name[0] == "p" and name[1:].isdigit()]


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The benchmark that makes workspaces."""
    path = Path(__file__).parents[3] / "benchmarks" / "report_size.py"
    spec = importlib.util.spec_from_file_location("report_size", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, maker: ModuleType) -> Path:
    root = tmp_path_factory.mktemp("report")
    maker.make_workspace(root, SAMPLES, 20)
    return root / "out"


@pytest.fixture(scope="session")
def origin(workspace: Path) -> Origin:
    return find_origin("large", workspace)


@pytest.fixture(scope="session")
def page_path(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert write_report(origin, path, SHOWN) == {"samples": SAMPLES, "shown": SHOWN}
    return path


@pytest.fixture(scope="session")
def page(page_path: Path) -> Page:
    return Page(page_path)


@pytest.fixture(scope="session")
def page_type() -> type[Page]:
    return Page
