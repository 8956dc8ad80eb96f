"""The page in a real browser: `make test-browser`. Skipped where there is no Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.report.fates import fates
from pipelines.report.origin import Origin, find_origin
from pipelines.report.write import write_report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("no Chromium on the PATH; install one (Debian: apt-get install chromium) or name it in CHROMIUM")
    play = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with play.sync_playwright() as driver:
        # Root in a container has no sandbox; the page is our own.
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield opened
        opened.close()


class Tab:
    """A page that is open, with everything that the browser complained about and asked the network for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1366, "height": 768}, **options)
        self.troubles: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.troubles.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector("body[data-ready]", timeout=120_000)

    def count(self, of: str) -> int:
        return int(self.page.get_attribute("#count", f"data-{of}"))

    def choose(self, facet: str, value: str, on: bool = True) -> None:
        before = self.page.get_attribute("#list", "data-ready")
        self.page.set_checked(f'input[data-facet="{facet}"][data-value="{value}"]', on)
        self.settle(before)

    def settle(self, before: str | None) -> None:
        self.page.wait_for_function("was => document.querySelector('#list').dataset.ready !== was", arg=before)

    def ids(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all("#list article", "all => all.map(one => one.dataset.id)")
        return found


@pytest.fixture
def tab(browser: Any, page_path: Path) -> Iterator[Tab]:
    found = Tab(browser, page_path)
    yield found
    assert found.troubles == []
    outside = [url for url in found.asked if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == [], "nothing is fetched"
    found.page.close()


def test_it_opens_and_shows_the_manifest_s_counts(tab: Tab, origin: Origin) -> None:
    shown = {
        row[0]: [int(n.replace(",", "")) for n in row[2:5]]
        for row in tab.page.eval_on_selector_all(
            "#funnel tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
    }
    steps = origin.manifest["steps"]
    assert shown == {s["step"]: [s["in"], s["kept"], sum(s["dropped"].values())] for s in steps}
    chips = set(tab.page.eval_on_selector_all("#funnel .chip", "all => all.map(one => one.textContent)"))
    assert chips == {f"{reason} {n}" for s in steps for reason, n in s["dropped"].items()}
    assert "150 of them" in tab.page.text_content("#shown")
    assert (tab.count("total"), tab.count("found")) == (400, 150)


@pytest.mark.parametrize(
    ("facet", "value", "test"),
    [
        ("outcome", "rl", pl.col("outcome") == "rl"),
        ("step", "drop", pl.col("drops").str.contains("drop ", literal=True)),
        ("reason", "dedup:exact", pl.col("drops").str.contains("dedup:exact", literal=True)),
        ("source", "maps", pl.col("source") == "maps"),
        ("band", "never", pl.col("band") == "never"),
    ],
)
def test_a_filter_shows_what_it_says(tab: Tab, origin: Origin, facet: str, value: str, test: pl.Expr) -> None:
    rows = fates(origin)
    tab.choose(facet, value)
    assert tab.count("total") == rows.filter(test).height > 0
    shown = tab.ids()
    assert shown and set(shown) <= set(rows.filter(test)["id"])
    tab.choose(facet, value, on=False)
    assert tab.count("total") == 400


def test_filters_narrow_each_other_and_a_reason_in_the_funnel_is_one(tab: Tab, origin: Origin) -> None:
    rows = fates(origin)
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.click("#funnel .chip:has-text('drop:wrong')")
    tab.settle(before)
    tab.choose("source", "charts")
    test = pl.col("drops").str.contains("drop:wrong", literal=True) & (pl.col("source") == "charts")
    assert tab.count("total") == rows.filter(test).height
    assert "reason=drop%3Awrong" in tab.page.url, "the address can be kept"
    tab.page.reload()
    tab.page.wait_for_selector("body[data-ready]")
    assert tab.count("total") == rows.filter(test).height


def test_a_bar_of_a_chart_filters_its_band(tab: Tab, origin: Origin) -> None:
    tab.page.locator("#difficulty figure").first.scroll_into_view_if_needed()
    bars = tab.page.locator("#difficulty figure").first.locator("svg .mark-rect.role-mark path")
    bars.first.wait_for()
    before = tab.page.get_attribute("#list", "data-ready")
    bars.first.click()
    tab.settle(before)
    assert tab.count("total") == fates(origin).filter(band="never").height


def test_pages_part_what_was_found(tab: Tab) -> None:
    seen = tab.ids()
    assert len(seen) == 20
    for _ in range(7):
        before = tab.page.get_attribute("#list", "data-ready")
        tab.page.click("#samples .pager button[aria-label='Next page']")
        tab.settle(before)
        seen += tab.ids()
    assert len(seen) == len(set(seen)) == 150
    assert tab.page.is_disabled("#samples .pager button[aria-label='Next page']")
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.keyboard.press("ArrowLeft")
    tab.settle(before)
    assert "Page 7 of 8" in tab.page.text_content("#samples .pager .where")


def test_questions_can_be_searched_from_the_keyboard(tab: Tab) -> None:
    wanted = tab.ids()[3]
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type(wanted[:12])
    tab.settle(before)
    assert tab.ids() == [wanted]


def test_what_models_say_is_shown_as_it_is(tab: Tab, maker: Any) -> None:
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.fill("#search", "</script>")
    tab.settle(before)
    assert str(tab.page.text_content("#list .question")).startswith(maker.HOSTILE)
    tab.page.eval_on_selector_all("#list details", "all => all.forEach(one => one.open = true)")
    shown = tab.page.locator("#list article").first.locator(".text").all_text_contents()
    assert sum(text.startswith(maker.HOSTILE) for text in shown) == 11, "question, caption, trace and eight rollouts"
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.query_selector("#list img:not([src^='data:image/webp'])") is None


def test_a_card_has_image_traces_and_rollouts(tab: Tab) -> None:
    card = tab.page.locator("#list article").first
    assert card.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 224
    assert card.locator("details").count() == 2
    card.locator("summary", has_text="8 rollouts of vlm").click()
    assert card.locator(".rolls tbody tr").count() == 8


def test_charts_are_drawn_in_light_and_dark_and_duplicates_are_side_by_side(browser: Any, page_path: Path) -> None:
    for scheme in ("light", "dark"):
        tab = Tab(browser, page_path, color_scheme=scheme)
        sections = tab.page.eval_on_selector_all("main section", "all => all.map(one => one.id)")
        assert sections == [
            "overview",
            "funnel",
            "difficulty",
            "vision",
            "lengths",
            "selection",
            "duplicates",
            "samples",
        ]
        for chart in tab.page.locator("figure.chart").all():
            chart.scroll_into_view_if_needed()
            chart.locator("svg .mark-rect path, svg .mark-symbol path").first.wait_for(state="attached")
        assert tab.page.locator("#pairs article").count() == 3
        assert tab.page.locator("#pairs article").first.locator("img").count() == 2
        assert tab.troubles == []
        tab.page.close()


def test_a_narrow_screen_scrolls_one_way_only_and_folds_its_filters(browser: Any, page_path: Path) -> None:
    tab = Tab(browser, page_path)
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.reload()
    tab.page.wait_for_selector("body[data-ready]")
    for chart in tab.page.locator("figure.chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg").first.wait_for()
        assert chart.evaluate("figure => figure.scrollWidth <= figure.clientWidth"), "a chart fits"
    assert tab.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert tab.page.evaluate("document.querySelector('header').offsetHeight") < 120
    assert not tab.page.is_visible("input[data-facet]")
    tab.page.locator(".sets > summary").focus()
    tab.page.keyboard.press("Enter")
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Space")
    tab.settle(before)
    assert tab.page.evaluate("document.activeElement.dataset.facet") == "outcome"
    assert 0 < tab.count("total") < 400
    tab.page.close()


def test_everything_that_is_worked_by_hand_has_a_name(tab: Tab) -> None:
    for chart in tab.page.locator("figure.chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg").first.wait_for()
        assert chart.get_attribute("aria-label") not in (None, "", "Vega visualization")
    assert tab.page.get_attribute("#theme", "aria-label") == "Switch between light and dark"
    nameless = "all => all.filter(one => !(one.ariaLabel || one.textContent.trim())).length"
    assert tab.page.eval_on_selector_all("button, a, [tabindex]", nameless) == 0


def test_ten_thousand_samples_are_paged_and_filtered(browser: Any, maker: Any, tmp_path: Path) -> None:
    """How long it takes is told by benchmarks/report_size.py."""
    maker.make_workspace(tmp_path, 10_500, 300)
    origin = find_origin("large", tmp_path / "out")
    assert write_report(origin, tmp_path / "report.html") == {"samples": 10_500, "shown": 10_000}
    tab, rows = Tab(browser, tmp_path / "report.html"), fates(origin)
    assert (tab.count("total"), tab.count("found")) == (10_500, 10_000)
    assert len(tab.ids()) == 20
    tab.choose("outcome", "dropped")
    assert tab.count("total") == rows.filter(outcome="dropped").height
    before = tab.page.get_attribute("#list", "data-ready")
    tab.page.click("#samples .pager button[aria-label='Last page']")
    tab.settle(before)
    assert set(tab.ids()) <= set(rows.filter(outcome="dropped")["id"])
    assert tab.troubles == []
