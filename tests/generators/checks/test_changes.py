"""What each check makes of a sample, worked by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError

from generators.asking.config import AskConfig
from generators.checks.caption_only import CaptionOnly
from generators.checks.catalogue import requests, variants
from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.frame_shuffle import FrameShuffle
from generators.checks.guess import DropCot, Guess, forced_thought
from generators.checks.images import EvidenceMask, GreyImage, PatchMask, RandomMask
from generators.checks.material import EarlierReply, Material
from generators.checks.option_shuffle import OptionShuffle, letters_named
from generators.checks.question_form import QuestionForm
from generators.checks.reverify import Reverify
from generators.checks.text_only import TextOnly
from generators.checks.vote import Vote
from schemas.answer import Answer, BooleanAnswer, Box, BoxesAnswer, ChoiceAnswer, Coord, TextAnswer
from schemas.completion import ImagePart, Sampling
from schemas.stated_answer import without_answer


class Made:
    """Derived images, by what was done to them; nothing is stored."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, dict[str, Any]]] = []

    def derive(
        self, media: Mapping[str, Any], op: str, params: Mapping[str, Any], make: Callable[[Image.Image], Image.Image]
    ) -> Mapping[str, Any]:
        make(Image.new("RGB", (media["width"], media["height"])))
        self.done.append((media["sha256"], op, dict(params)))
        return {**media, "sha256": f"{op}-{media['sha256']}", "derived_from": op}


RED = TextAnswer(raw="red", value="red")
SECOND = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))


def image(name: str, width: int = 64, height: int = 64) -> dict[str, Any]:
    return {"kind": "image", "sha256": name, "width": width, "height": height, "duration": None, "role": None,
            "derived_from": None}  # fmt: skip


def material(answer: Answer = RED, **more: Any) -> Material:
    base: dict[str, Any] = {
        "id": "s1", "question": "What color is the circle?", "options": (), "media": (image("p1"),),
        "answer": answer, "verifier": answer.kind, "params": "{}",
    }  # fmt: skip
    return Material(**{**base, **more})


def rollouts(tags: str = "plain", **more: Any) -> AskConfig:
    asked = {"model": "vlm", "n": 4, "makes": "rollout", "prompt": "{{ question }}", "reply": {"tags": tags}}
    sampling = {"temperature": 1.0, "max_tokens": 2048}
    return AskConfig.model_validate({**asked, "sampling": sampling, **more})


def setting(tags: str = "plain", **more: Any) -> Setting:
    return Setting(rollouts(tags, **more), Made(), seed=7)


def changes(check: Check, sample: Material, tags: str = "plain") -> list[Change | Refusal]:
    return list(check.changes(sample, setting(tags)))


def only(check: Check, sample: Material, tags: str = "plain") -> Change:
    (change,) = changes(check, sample, tags)
    assert isinstance(change, Change)
    return change


def refused(check: Check, sample: Material, tags: str = "plain") -> list[str]:
    return [c.reason for c in changes(check, sample, tags) if isinstance(c, Refusal)]


def test_text_only_takes_the_media_away() -> None:
    assert only(TextOnly(), material()) == Change(media=())
    assert changes(TextOnly(), material(media=())) == []


def test_grey_image_keeps_number_and_size() -> None:
    change = only(GreyImage(), material(media=(image("a"), image("b", 3, 2))))
    assert change.media is not None
    assert [(m["sha256"], m["width"]) for m in change.media] == [("grey-a", 64), ("grey-b", 3)]


def test_patch_mask_passes_its_numbers_on() -> None:
    shared = setting()
    (change,) = PatchMask(patch=16, p=0.5).changes(material(), shared)
    assert isinstance(change, Change)
    assert isinstance(shared.images, Made)
    assert shared.images.done == [("p1", "patch_mask", {"patch": 16, "p": 0.5, "seed": 7})]


def test_evidence_comes_from_meta_or_from_a_boxes_answer() -> None:
    boxes = BoxesAnswer(
        raw="x", boxes=(Box(xyxy=(0.25, 0.5, 0.5, 1.0)),), coord=Coord(space="norm1", width=None, height=None)
    )
    by_meta = EvidenceMask().evidence(material(meta={"evidence": [[1, 2, 3, 4]]}))
    assert by_meta == [(1.0, 2.0, 3.0, 4.0)]
    assert EvidenceMask().evidence(material(boxes)) == [(16.0, 32.0, 32.0, 64.0)]
    halved = boxes.model_copy(update={"boxes": (Box(xyxy=(10, 10, 20, 20)),), "coord": Coord(width=128, height=128)})
    assert EvidenceMask().evidence(material(halved)) == [(5.0, 5.0, 10.0, 10.0)]
    assert changes(EvidenceMask(), material()) == []


def test_without_the_evidence_the_right_answer_may_be_unknown() -> None:
    sample = material(meta={"evidence": [[0, 0, 8, 8]]})
    assert only(EvidenceMask(), sample).answer is None
    change = only(EvidenceMask(expect="abstain"), sample)
    assert change.answer is not None
    assert (change.answer.kind, change.verifier) == ("abstain", "abstain")


def test_random_mask_is_refused_where_the_evidence_is_everywhere() -> None:
    assert isinstance(only(RandomMask(), material(meta={"evidence": [[0, 0, 8, 8]]})), Change)
    assert refused(RandomMask(), material(meta={"evidence": [[0, 0, 64, 60]]})) == ["no_room"]


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_option_shuffle_moves_the_gold_and_keeps_the_thought(opening: str) -> None:
    """The opening mark may have been part of the prompt."""
    reply = f"{opening}The circle looks blue to me.</think><answer>B</answer>"
    sample = material(SECOND, options=("red", "blue", "teal"), replies=(EarlierReply("0", reply, "B"),))
    change = only(OptionShuffle(), sample, "think_answer")
    assert change.options is not None
    assert sorted(change.options) == ["blue", "red", "teal"]
    assert isinstance(change.answer, ChoiceAnswer)
    (letter,) = change.answer.letters
    assert letter != "B"
    assert change.options["ABC".index(letter)] == "blue"
    assert change.prefix == "<think>The circle looks blue to me.</think>\n<answer>"
    assert change.detail["first"] == "B"
    assert [sample.options[old] for old in change.detail["order"]] == list(change.options)


def test_a_thought_that_names_letters_is_refused() -> None:
    reply = "<think>It is blue, so option B.</think><answer>B</answer>"
    sample = material(
        SECOND, options=("red", "blue"), replies=(EarlierReply("0", reply, "B"), EarlierReply("1", "no thought", None))
    )
    assert refused(OptionShuffle(), sample, "think_answer") == ["letters_named", "no_thought"]


@pytest.mark.parametrize(
    ("thought", "named"),
    [
        ("A circle is blue.", []),
        ("I think it is blue.", []),
        ("So (A) holds.", ["A"]),
        ("the answer is C", ["C"]),
        ("Between B and C", ["B", "C"]),
        ("C) fits", ["C"]),
        ("Vitamin D is not offered", []),
        ("the B-side", ["B"]),
        ("Option A looks right.", ["A"]),
        ("Answer: A", ["A"]),
        ("the answer is: A because", ["A"]),
        ("answers:\nA then", ["A"]),
        ("So it must be A.", ["A"]),
        ("A is wrong.", ["A"]),
        ("It is **A**", ["A"]),
        ("option b, or (c)", ["B", "C"]),
        ("A red ball. I see a cat, and a dog.", []),
    ],
)
def test_letters_named(thought: str, named: list[str]) -> None:
    assert letters_named(thought, 3) == named


def test_caption_only_asks_without_images() -> None:
    change = only(CaptionOnly(), material(caption="A red circle."))
    assert (change.media, change.values) == ((), {"caption": "A red circle."})
    assert changes(CaptionOnly(), material()) == []


def test_drop_cot_by_instruction_or_by_an_empty_thought() -> None:
    assert only(DropCot(), material()).prompt == "{{ question }}\nGive only the final answer."
    assert only(DropCot(how="empty_thought"), material(), "think_answer").prefix == "<think></think>\n<answer>"


def test_forced_thought_ends_where_the_answer_begins() -> None:
    assert forced_thought("x", "think_answer_boxed") == "<think>x</think>\n<answer>\\boxed{"
    assert forced_thought("x", "think_tail") == "<think>x</think>\n"
    assert forced_thought("", "plain") == ""


def test_frame_shuffle_needs_an_order() -> None:
    change = only(FrameShuffle(), material(media=(image("a"), image("b"), image("c"))))
    assert change.media is not None
    names = [m["sha256"] for m in change.media]
    assert sorted(names) == ["a", "b", "c"] != names
    assert changes(FrameShuffle(), material(media=(image("a"), image("a")))) == []


def test_a_choice_becomes_open_and_two_claims() -> None:
    sample = material(SECOND, options=("red", "blue"))
    found = changes(QuestionForm(), sample)
    assert all(isinstance(c, Change) for c in found)
    by = {c.base: c for c in found if isinstance(c, Change)}
    assert by["open"].options == ()
    assert by["open"].answer == TextAnswer(raw="blue", value="blue")
    assert by["yes"].question == "What color is the circle?\nIs the answer 'blue'? Answer yes or no."
    assert by["yes"].answer == BooleanAnswer(raw="yes", values=(True,))
    assert by["no"].detail["claimed"] == "red"
    assert by["no"].answer == BooleanAnswer(raw="no", values=(False,))


def test_forms_that_point_at_options_are_refused() -> None:
    above = material(SECOND, options=("red", "none of the above"))
    assert refused(QuestionForm(forms=("open",)), above) == ["form_points_at_options"]
    which = material(SECOND, options=("red", "blue"), question="Which of these is it?")
    assert refused(QuestionForm(forms=("open",)), which) == ["form_points_at_options"]


def test_an_open_question_borrows_its_wrong_claim() -> None:
    sample = material(others=("red", "Red", "green"))
    claims = {c.base: c.detail["claimed"] for c in changes(QuestionForm(), sample) if isinstance(c, Change)}
    assert claims == {"yes": "red", "no": "green"}
    # The verifier of the sample is to say that green is wrong, before a model is asked whether it is.
    put = [c.detail for c in changes(QuestionForm(), sample) if isinstance(c, Change)]
    assert [(d["rejects"], d["of"]["verifier"]) for d in put] == [(["green"], sample.verifier)] * 2
    assert refused(QuestionForm(), material(others=("red",))) == ["form_no_wrong_answer"]


@pytest.mark.parametrize(
    ("reasoning", "answer", "left"),
    [
        ("The circle is round. So the answer is red.", "red", "The circle is round."),
        ("It has 3.5 sides. Therefore it is 7.", "7", "It has 3.5 sides."),
        ("I see a warm tone. It is red", "red", "I see a warm tone."),
        ("The answer is red. I look again. It is round.", "red", "I look again. It is round."),
        ("The answer is red.", "red", ""),
        ("Two red shapes lie left. One lies right.", "3", "Two red shapes lie left. One lies right."),
    ],
)
def test_without_answer_keeps_the_reasoning_only(reasoning: str, answer: str, left: str) -> None:
    assert without_answer(reasoning, answer) == left


def test_reverify_takes_gold_visible_traces_unless_all_are_named() -> None:
    blind, seeing = (
        EarlierReply("t1", "It is warm. It is red", "red"),
        EarlierReply("t2", "It glows. It is red", "red", True),
    )
    sample = material(traces=(blind, seeing, EarlierReply("t3", "red", "red", True)))
    found = changes(Reverify(), sample)
    assert [(c.base, c.prefix) for c in found if isinstance(c, Change)] == [("t2", "It glows. So the answer is")]
    assert refused(Reverify(), sample) == ["nothing_but_the_answer"]
    assert len(changes(Reverify(traces="all"), sample)) == 3


def test_guess_and_vote() -> None:
    assert only(Guess(model="small"), material()) == Change()
    assert Guess(model="small").calls(4) == 8
    assert changes(Vote(), material()) == []
    assert Vote().asks("vlm") is None


CHECKS = (TextOnly(), GreyImage(), QuestionForm(n=1), Guess(model="small", name="tiny", n=2), Vote())


def test_variants_become_requests() -> None:
    sample = material(others=("red", "green"))
    kept, dropped = variants([sample], CHECKS, setting(system="Be brief."))
    assert kept.select("check", "base", "model", "n").rows() == [
        ("text_only", "", "vlm", 4), ("grey_image", "", "vlm", 4), ("question_form", "yes", "vlm", 1),
        ("question_form", "no", "vlm", 1), ("tiny", "", "small", 2),
    ]  # fmt: skip
    assert dropped.height == 0
    asked = {r.id: r for r in requests(kept)}
    grey = asked[kept["id"][1]]
    assert grey.messages[0].content == ("Be brief.",)
    assert grey.messages[1].content == (ImagePart("grey-p1"), "What color is the circle?")
    assert (grey.n, grey.sampling) == (4, Sampling(temperature=1.0, max_tokens=2048))


def test_variants_do_not_depend_on_order_or_company() -> None:
    samples = [material(id=f"s{i}", others=("red", "green", "blue")) for i in range(5)]
    forward, _ = variants(samples, CHECKS, setting())
    backward, _ = variants(samples[::-1], CHECKS, setting())
    alone, _ = variants(samples[2:3], CHECKS, setting())
    assert forward.sort("id").equals(backward.sort("id"))
    assert alone.sort("id").equals(forward.filter(pl.col("sample_id") == "s2").sort("id"))
    assert forward["id"].n_unique() == forward.height


def test_options_that_stand_in_the_question_do_not_stay_there() -> None:
    question = "What color is it?\nA) red B) blue"
    sample = material(SECOND, options=("red", "blue"), question=question, replies=(EarlierReply("0", "B", "B"),))
    assert only(OptionShuffle(), sample).question == "What color is it?"
    assert only(QuestionForm(forms=("open",)), sample).question == "What color is it?"
    other = material(
        SECOND, options=("red", "blue"), question="Is it (A) red or (B) blue?", replies=(EarlierReply("0", "B", "B"),)
    )
    assert refused(OptionShuffle(), other) == ["options_in_question"]
    assert refused(QuestionForm(forms=("open",)), other) == ["form_points_at_options"]


def test_shots_and_the_beginning_of_replies_are_those_of_the_rollouts_unless_the_prompt_is_another() -> None:
    shot = {"question": "What color is grass?", "reply": "green"}
    asked_as = setting(shots=[shot], prefix="It is")
    kept, _ = variants([material()], (TextOnly(), Guess()), asked_as)
    own, guess = requests(kept)
    assert [m.content for m in own.messages] == [("What color is grass?",), ("green",), ("What color is the circle?",)]
    assert own.prefix == "It is"
    assert (len(guess.messages), guess.prefix) == (1, "")


def test_a_variant_whose_prompt_lacks_a_value_is_refused_and_the_others_are_asked() -> None:
    shared = setting(prompt="{{ hint }} {{ question }}")
    samples = [material(id="s1", row={"hint": None}), material(id="s2", row={"hint": "Look."})]
    kept, dropped = variants(samples, (TextOnly(),), shared)
    assert kept["sample_id"].to_list() == ["s2"]
    assert dropped["reason"].to_list() == ["variants:null_field"]
    assert "'hint' is null" in dropped["evidence"][0]


@pytest.mark.parametrize(
    ("check", "given", "sentence"),
    [
        (TextOnly, {"prompt": "{question}"}, r"written \{\{ question \}\}, not \{question\}"),
        (TextOnly, {"prompt": "{{ answer }}"}, "may read question, and no `answer`"),
        (TextOnly, {"system": "{{ caption }}"}, "may read question, and no `caption`"),
        (CaptionOnly, {"prompt": "{{ hint }}"}, "may read caption and question, and no `hint`"),
        (QuestionForm, {"claim": "{{ question }} {{ answer }}"}, "may read claimed and question, and no `answer`"),
        (Vote, {"n": 3}, "a vote reads the rollouts and asks nobody; leave `n` out"),
    ],
)
def test_a_prompt_that_a_check_cannot_fill_is_one_sentence(
    check: type[Check], given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        check.model_validate(given)
