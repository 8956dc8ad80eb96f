"""A student that was not trained is asked without what it never learned."""

from generators.training.student import Question
from pipelines.proof.formats import formats
from pipelines.proof.rows import Rows

HOW = "Think first.\nPut the answer into tags."


def rows(*texts: str, system: str | None = "You reason.", positions: tuple[int, ...] = ()) -> Rows:
    head = (("system", system),) if system else ()
    questions = tuple(Question((*head, ("user", text)), (), positions) for text in texts)
    ids = tuple(map(str, range(len(texts))))
    return Rows(ids, questions, {"tags": ("think_answer",) * len(texts)})


def test_system_turn_and_shared_lines_go_one_after_the_other() -> None:
    found = formats(rows(f"Is it red?\n{HOW}", f"Is it blue?\n{HOW}"))
    assert list(found) == ["as released", "no system turn", "question alone"]
    assert [q.turns for q in found["question alone"].questions] == [
        (("user", "Is it red?"),),
        (("user", "Is it blue?"),),
    ]
    assert found["no system turn"].questions[0].turns == (("user", f"Is it red?\n{HOW}"),)
    assert set(found["no system turn"].columns["tags"]) == {"plain"}


def test_equal_formats_are_there_once() -> None:
    assert list(formats(rows("Is it red?", "Is it blue?", system=None))) == ["as released", "no system turn"]


def test_places_of_images_keep_a_text_as_it_is() -> None:
    found = formats(rows(f"Is it red?\n{HOW}", f"Is it blue?\n{HOW}", positions=(3,)))
    assert "question alone" not in found
