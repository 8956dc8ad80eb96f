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


@pytest.mark.parametrize(
    ("text", "reasoning", "final"),
    [
        ("It is red. So the answer is red.", "It is red. So the answer is red.", "red"),
        ("The answer is: 4\n", "The answer is: 4", "4"),
        ("the answer is red. No wait.\nThe answer is blue", "the answer is red. No wait.\nThe answer is blue", "blue"),
        ("<think>it is red</think><answer>red</answer>", "it is red", "red"),
        ("I cannot tell", "I cannot tell", None),
        ("So the answer is ", "So the answer is", None),
        ("<think>only thought</think>", "only thought", None),
        ("Two and two.\n\n**Answer:** 4", "Two and two.", "4"),
        ("Two and two.\n\n\\boxed{4}", "Two and two.", "4"),
        ("Two and two, so it is \\boxed{4}.", "Two and two, so it is \\boxed{4}.", "4"),
        ("Two and two.\n<answer>4</answer>", "Two and two.", "4"),
    ],
)
def test_a_reply_is_taken_apart(text: str, reasoning: str, final: str | None) -> None:
    assert distill.read_reply(text, None, distill.DistillConfig(model="r"))[:2] == (reasoning, final)


BEGIN, END = ("<|begin_of_thought|>", "<|begin_of_solution|>"), ("<|end_of_thought|>", "<|end_of_solution|>")
SEEN = "I see two and two dots, so I add them up and get four."


@pytest.mark.parametrize(
    ("text", "field", "reasoning", "final"),
    [
        ("<think>\nTwo and two make four.\n</think>\n\n\\boxed{4}", None, "Two and two make four.", "4"),
        ("<think>The answer is 4? Hmm, no.</think>\n\nFive.\n\n\\boxed{5}", None, "The answer is 4? Hmm, no.", "5"),
        ("<think>The answer is 5. But no: four.</think>\n\n\\boxed{4}", None, "The answer is 5. But no: four.", "4"),
        ("\\boxed{4}", SEEN, SEEN, "4"),
        ("The answer is 4.", SEEN, SEEN, "4"),
        (None, f"{SEEN} The answer is 4.", f"{SEEN} The answer is 4.", "4"),
        ("<think>Two and two.</think>\n\nThe answer is \\boxed{4}.", None, "Two and two.", "4"),
        ("Two and two.\n</think>\n\nSo the answer is 4.", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\n**Answer:** 4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n<answer>4</answer>", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\nTherefore:\n<answer>4</answer>", None, "Two and two.", "4"),
        ("I see two and two, so the answer is 4.", None, "I see two and two, so the answer is 4.", "4"),
        # brothers
        ("◁think▷Two and two.◁/think▷4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\n**Final Answer**\n\n4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\nTwo left. So there are 4.", None, "Two and two.", "So there are 4."),
        ("<think>Two and two.</think><answer><|begin_of_box|>4<|end_of_box|></answer>", None, "Two and two.", "4"),
        (f"{BEGIN[0]}\n\nTwo.\n\n{END[0]}\n\n{BEGIN[1]}\n\\boxed{{4}}\n{END[1]}", None, "Two.", "4"),
        ("<think>\n\n</think>\n\nTwo and two. The answer is 4.", None, "Two and two. The answer is 4.", "4"),
        (None, f"The answer is 4? {SEEN} Let me look again", f"The answer is 4? {SEEN} Let me look again", None),
        ("<think>Two. The answer is 4. Wait", None, "Two. The answer is 4. Wait", None),
        ("<think>Two.</think>", SEEN, f"{SEEN}\n\nTwo.", None),
    ],
)  # fmt: skip
def test_replies_of_reasoners(text: str | None, field: str | None, reasoning: str, final: str | None) -> None:
    """R1, QwQ, Qwen3, Kimi, GLM, OpenThoughts: the thought is the thought, and the answer is not taken from inside it."""
    assert distill.read_reply(text, field, distill.DistillConfig(model="r"))[:2] == (reasoning, final)


def test_what_is_said_beside_thought_and_answer_is_kept() -> None:
    config = distill.DistillConfig(model="r")
    text = "<think>Hm.</think>\nTwo left, two right. So the answer is 4.\nThat is even."
    assert distill.read_reply(text, None, config).summary == "Two left, two right.\nThat is even."
    assert (
        distill.read_reply("<think>Hm.</think>\nTherefore:\n<answer>4</answer>", None, config).summary == "Therefore:"
    )
    assert distill.read_reply("<think>Hm.</think>\\boxed{4}", None, config).summary is None


@pytest.mark.parametrize(
    ("text", "field", "final"),
    [
        ("Okay, the answer is 5? Let me", None, None),
        ("<think>So the answer is 4.", None, None),
        ("", "So the answer is 4.", None),
        ("<think>Two.</think> The answer is 1", None, None),
        ("<think>Two.</think> <answer>1", None, None),
        ("<think>Two.</think> It is \\boxed{14}, bec", None, "14"),
        ("<think>Two.</think> <answer>14</answer> bec", None, "14"),
    ],
)
def test_a_reply_that_was_cut_off_has_no_answer_but_a_whole_one(
    text: str, field: str | None, final: str | None
) -> None:
    assert distill.read_reply(text, field, distill.DistillConfig(model="r"), cut=True).final == final


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


def test_a_pattern_of_your_own_comes_before_boxes() -> None:
    config = distill.DistillConfig(model="r", answer_pattern=r"=> (?P<answer>\S+)")
    assert distill.read_reply("<think>Hm.</think> \\boxed{5} => 4", None, config).final == "4"
    assert distill.read_reply("<think>Hm.</think> \\boxed{5}", None, config).final == "5"


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
