"""Fresh samples are asked as the release asks, of other seeds, and there are none where nobody can make them."""

from typing import Any

from pipelines.proof.fresh import fresh_rows

SCENES = {"type": "scenes", "name": "scenes", "n": 20, "per_scene": 3, "levels": [1], "seed": 0, "limit": None}
ASKED = {"prompt": "{{ question }}\nThink first.", "system": "You see.", "tags": "plain", "prompts_as_asked": True}


def manifest(content: str = "a", **facts: Any) -> dict[str, Any]:
    return {"content": content, "measured": ASKED, "recipe": {"sources": [SCENES]}, **facts}


def test_they_are_put_as_the_student_was_measured_and_the_reward_reads_them() -> None:
    rows, why = fresh_rows(manifest(), 6)
    assert rows is not None and why is None and len(rows) == 6
    assert rows.questions[0].turns[0] == ("system", "You see.")
    assert rows.questions[0].turns[1][1].endswith("\nThink first.")
    assert [len(question.images) for question in rows.questions] == [1] * 6
    import json

    golds = [json.loads(answer)["raw"] for answer in rows.columns["answer"]]
    assert rows.rewards(range(6), golds) == [1.0] * 6
    assert rows.rewards(range(6), ["xylophone"] * 6) == [0.0] * 6


def test_the_content_decides_them() -> None:
    first, again, other = (fresh_rows(manifest(content), 4).rows for content in ("a", "a", "b"))
    assert first is not None and again is not None and other is not None
    assert first.ids == again.ids
    assert not set(first.ids) & set(other.ids)


def test_where_there_are_none_it_is_said() -> None:
    assert fresh_rows(manifest(), 0).why == "none were asked for"
    assert (
        fresh_rows(manifest(recipe={"sources": [{"type": "jsonl"}]}), 4).why == "no source of the recipe is procedural"
    )
    assert "not put as one step asked" in str(fresh_rows(manifest(measured=None), 4).why)
    shown = {**ASKED, "prompt": "{{ caption }}\n{{ question }}"}
    assert "say more than the question" in str(fresh_rows(manifest(measured=shown), 4).why)
