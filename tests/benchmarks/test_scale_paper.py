"""docs/scale.md is what `benchmarks/scale_paper.py` makes of the results that were measured."""

import scale_paper


def test_the_page_is_what_the_results_come_to() -> None:
    page = scale_paper.PAGE.read_text(encoding="utf-8")
    assert page == scale_paper.page(), "write it anew: python benchmarks/scale_paper.py --write"


def test_a_benchmark_that_was_not_run_is_left_out() -> None:
    assert scale_paper.measured("no such benchmark") is None
