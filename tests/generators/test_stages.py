"""The stages that ask models, as what they are: pure functions from rows to requests and from answers to rows."""

import polars as pl
import pytest
from pydantic import ValidationError

from generators import caption, distill, rollouts
from generators.prompts import question_text
from schemas.completion import ImagePart, Sampling

MEDIA = {"kind": "image", "sha256": "ab" * 32}
ROW = {
    "id": "row",
    "question": "What color is it?",
    "options": ["red", "blue"],
    "media": [MEDIA, MEDIA],
    "caption": "a red star",
    "gold": "A",
}


def rows(**changed: object) -> pl.DataFrame:
    schema = {
        "id": pl.String,
        "question": pl.String,
        "options": pl.List(pl.String),
        "media": pl.List(pl.Struct({"kind": pl.String, "sha256": pl.String})),
        "caption": pl.String,
        "gold": pl.String,
    }
    return pl.DataFrame([ROW | changed], schema=schema)


def answers(
    *texts: str | None, finish: str | None = "stop", field: str | None = None, prose: bool = False
) -> pl.DataFrame:
    schema = {
        "id": pl.String,
        "index": pl.Int32,
        "prose": pl.Boolean,
        "text": pl.String,
        "reasoning": pl.String,
        "finish_reason": pl.String,
        "completion_tokens": pl.Int32,
        "error": pl.String,
        "model": pl.String,
    }
    cells = [
        {
            "id": "row",
            "index": i,
            "prose": prose,
            "text": t,
            "reasoning": field,
            "finish_reason": finish,
            "completion_tokens": 5,
            "error": None,
            "model": "m",
        }
        for i, t in enumerate(texts)
    ]
    return pl.DataFrame(cells, schema=schema)


def test_options_stand_on_a_line_of_their_own() -> None:
    assert question_text("Which?", ["red", "blue"]) == "Which?\nA) red B) blue"
    assert question_text("Which?", None) == question_text("Which?", []) == "Which?"


def test_caption_asks_once_a_row_with_every_picture_in_order() -> None:
    config = caption.CaptionConfig(model="vlm", system="Be brief.")
    (request,) = caption.requests(rows(), config)
    assert [m.role for m in request.messages] == ["system", "user"]
    assert request.messages[1].content == (ImagePart("ab" * 32), ImagePart("ab" * 32), "Describe the image.")


def test_caption_passes_over_rows_without_pictures() -> None:
    config = caption.CaptionConfig(model="vlm")
    assert list(caption.requests(rows(media=[]), config)) == []
    assert list(caption.requests(rows(media=None), config)) == []


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("a star", "stop", None),
        ("  ", "stop", "caption:empty"),
        ("a st", "length", "caption:truncated"),
        ("", "error", "caption:error"),
        (None, None, "caption:unanswered"),
    ],
)
def test_caption_drops_by_reason(text: str | None, finish: str | None, reason: str | None) -> None:
    parted = caption.collect(answers(text, finish=finish), caption.CaptionConfig(model="vlm"))
    assert parted.dropped["reason"].to_list() == ([reason] if reason else [])
    assert parted.kept["caption"].to_list() == ([] if reason else ["a star"])


def test_a_teacher_that_sees_nothing_is_told_by_the_caption() -> None:
    config = distill.DistillConfig(
        model="r",
        sees="nothing",
        system="s",
        shots=(distill.Shot(description="d", question="q", reply="So the answer is x."),),
        n=3,
    )
    (request,) = distill.requests(rows(), config)
    assert request.images == ()
    assert request.n == 3
    assert [m.role for m in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[-1].content == ("Description: a red star\nQuestion: What color is it?\nA) red B) blue",)


def test_a_teacher_that_sees_is_shown_every_image_in_order() -> None:
    config = distill.DistillConfig(model="r").seeing(captions=False)
    (request,) = distill.requests(rows(caption=None), config)
    image = ImagePart(MEDIA["sha256"])
    assert request.messages[-1].content == (image, image, "What color is it?\nA) red B) blue")
    both = distill.DistillConfig(model="r", sees="media").seeing(captions=True)
    (request,) = distill.requests(rows(), both)
    assert request.messages[-1].content[:2] == (image, image)
    assert request.messages[-1].content[2].startswith("Description: a red star")


def test_a_teacher_that_sees_nothing_is_not_asked_about_images_without_a_caption() -> None:
    blind = distill.DistillConfig(model="r").seeing(captions=True)
    assert blind.sees == "nothing"
    assert list(distill.requests(rows(caption=None), blind)) == []
    (request,) = distill.requests(rows(caption=None, media=[]), blind)
    assert request.messages[-1].content == ("What color is it?\nA) red B) blue",)


def test_a_prompt_that_names_the_answer_shows_it_and_marks_its_traces() -> None:
    shot = distill.Shot(question="q", answer="x", reply="So the answer is x.")
    config = distill.DistillConfig(model="r", prompt="{question}\nGold: {answer}", shots=(shot,))
    (request,) = distill.requests(rows(options=[]), config)
    assert [m.content[0] for m in request.messages[::2]] == ["q\nGold: x", "What color is it?\nGold: A"]
    blind = distill.DistillConfig(model="r")
    for given, seen in ((config, True), (blind, False)):
        assert distill.collect(answers("So the answer is red."), given).kept["gold_visible"].to_list() == [seen]
    (request,) = distill.requests(rows(), blind)
    assert "Gold" not in str(request.messages)


def test_a_prompt_names_what_there_is() -> None:
    with pytest.raises(
        ValidationError, match=r"\{picture\} is no field .* knows \{answer\}, \{caption\}, \{question\}"
    ):
        distill.DistillConfig(model="r", prompt="{picture}")
    assert distill.DistillConfig(model="r", prompt="{{x}} {question}").prompt


def test_all_that_is_said_answers_an_open_question() -> None:
    said = answers("<think>Hm.</think>\nAir scatters blue. So it is blue.", prose=True)
    assert distill.collect(said, distill.DistillConfig(model="r")).kept["final"].to_list() == [
        "Air scatters blue. So it is blue."
    ]


@pytest.mark.parametrize(
    ("pattern", "says"), [("(", "not a regular expression"), ("answer (.+)", "no group named answer")]
)
def test_a_pattern_is_checked_before_anything_starts(pattern: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        distill.DistillConfig(model="r", answer_pattern=pattern)


def test_a_thought_that_was_cut_off_is_closed_before_the_forced_answer() -> None:
    config = distill.DistillConfig(model="r", force_answer="So the answer is")
    kept, _ = distill.collect(answers("<think>It is red. And", finish="length"), config)
    turn = kept.select("id", "final", "thinking", thought="reasoning").with_columns(
        question=pl.lit("q"), options=pl.lit(None, pl.List(pl.String)), caption=pl.lit("c"), gold=pl.lit("g")
    )
    (request,) = distill.conclude_requests(turn, config)
    assert request.prefix == "<think>\nIt is red.\n</think>\n\nSo the answer is"


def test_a_caption_and_a_rewrite_are_what_is_said_after_thinking() -> None:
    kept, _ = caption.collect(answers("<think>A star?</think>\n\nA red star."), caption.CaptionConfig(model="vlm"))
    assert kept["caption"].to_list() == ["A red star."]
    _, dropped = caption.collect(answers("<think>A star?"), caption.CaptionConfig(model="vlm"))
    assert dropped["reason"].to_list() == ["caption:empty"]


def test_distill_keeps_truncated_replies_for_the_second_turn() -> None:
    config = distill.DistillConfig(model="r", force_answer="So the answer is")
    kept, dropped = distill.collect(answers("It is red. And it", finish="length"), config)
    assert dropped.is_empty()
    assert kept["final"].to_list() == [None]
    turn = kept.select("id", "final", "thinking", thought="reasoning").with_columns(
        question=pl.lit("q"), options=pl.lit(None, pl.List(pl.String)), caption=pl.lit("c"), gold=pl.lit("g")
    )
    (request,) = distill.conclude_requests(turn, config)
    assert request.prefix == "It is red. So the answer is"
    assert request.sampling == Sampling(temperature=0.0, max_tokens=16, stop=("\n",))


def test_conclude_leaves_finished_traces_alone() -> None:
    turn = pl.DataFrame(
        {"id": ["t"], "thought": ["r"], "final": ["red"], "question": ["q"], "options": [None], "caption": ["c"]}
    )
    assert list(distill.conclude_requests(turn, distill.DistillConfig(model="r", force_answer="So"))) == []


def test_trace_ids_are_unique_by_sample_and_index() -> None:
    kept, _ = distill.collect(answers("a", "b", "c"), distill.DistillConfig(model="r"))
    assert kept["id"].n_unique() == 3
    assert kept["sample_id"].to_list() == ["row"] * 3


def test_rollouts_go_out_as_one_request() -> None:
    (request,) = rollouts.requests(rows(media=[MEDIA]), rollouts.RolloutsConfig(model="vlm", n=8))
    assert request.n == 8
    assert request.images == ("ab" * 32,)


def test_a_truncated_rollout_is_an_outcome() -> None:
    parted = rollouts.collect(answers("red", "blu", finish="length"), rollouts.RolloutsConfig(model="vlm"))
    assert parted.kept["finish_reason"].to_list() == ["length", "length"]
    assert parted.dropped.is_empty()


def test_rollouts_of_several_students_have_ids_of_their_own() -> None:
    said = pl.concat([answers("red"), answers("red").with_columns(model=pl.lit("other"))])
    kept, _ = rollouts.collect(said, rollouts.RolloutsConfig(model=("m", "other")))
    assert kept["id"].n_unique() == 2
    assert kept["model"].to_list() == ["m", "other"]


@pytest.mark.parametrize("stage", [caption, distill, rollouts])
def test_an_empty_table_stays_empty(stage: object) -> None:
    config = {
        caption: caption.CaptionConfig(model="m"),
        distill: distill.DistillConfig(model="m"),
        rollouts: rollouts.RolloutsConfig(model="m"),
    }[stage]  # type: ignore[index]
    parted = stage.collect(answers(), config)  # type: ignore[attr-defined]
    assert parted.kept.is_empty()
    assert parted.dropped.is_empty()
