"""The line that shows how far a step is."""

from flows.progress import line
from pipelines.run.receipt import Receipt


def test_a_step_that_asks_models_shows_tokens_and_what_is_in_flight() -> None:
    receipt = Receipt(total=300, samples=120, completion_tokens=1200, prompt_tokens=9, seconds=3.0, in_flight=64)
    assert line("caption", receipt) == "caption 120/300 · 400 tok/s · 0:04 left · 64 in flight"


def test_a_step_that_reads_tables_shows_rows() -> None:
    assert line("score", Receipt(total=300, samples=100, seconds=2.0)) == "score 100/300 · 50 rows/s · 0:04 left"
    assert line("score", Receipt(total=300)) == "score 0/300 · 0 rows/s · 0:00"


def test_a_step_whose_first_answer_is_still_to_come_is_one_that_asks() -> None:
    assert (
        line("caption", Receipt(total=300, in_flight=64, seconds=1.0))
        == "caption 0/300 · 0 tok/s · 0:01 · 64 in flight"
    )
