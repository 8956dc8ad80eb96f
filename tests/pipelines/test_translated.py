"""Nothing of what works is lost: old recipes and their translations into steps, built on one log, release the same."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import net
import pytest
from net import Fate, Twice
from translate import UntranslatableError, translate

from generators.scenes import iter_scenes, questions, render
from pipelines.recipe.yaml12 import read_yaml

Tree = dict[str, Any]

TINY: Tree = {
    "name": "tiny",
    "models": {"vlm": {"model": "reference-vlm", "engine": "transformers"}},
    "driver": {"workers": 1},
    "caption": {"model": "vlm", "sampling": {"temperature": 0.0, "max_tokens": 24}},
    "distill": {
        "model": "vlm",
        "prompt": "{question}",
        "n": 2,
        "sampling": {"temperature": 1.0, "max_tokens": 8},
        "answer_pattern": "(?P<answer>.+)",
    },
    "traces": {"beats_chance": False},
    "rollouts": {"model": "vlm", "n": 4, "sampling": {"max_tokens": 8}, "tags": "plain"},
    "dedup": {},
    "split": {"sft": 0.5, "rl": 0.4, "holdout": 0.1},
    "select": {"budget": 0.8},
    "preference": {"per_prompt": 2},
    "release": {"allow_empty": ["sft", "rl", "holdout", "preference"]},
}
TWO = {"model": ["vlm", "other"], "n": 3, "sampling": {"max_tokens": 8, "temperature": 2.0}}
OTHER = {"other": {"model": "reference-vlm", "engine": "transformers", "args": {"dtype": "float64"}}}
COUNTED = {"truncated": "wrong", "no_answer": "wrong"}
ANY = {"type": "variance", "min_correct": 0, "min_wrong": 0}


def of(**sections: Any) -> Tree:
    """The tiny recipe with other sections; None takes one out."""
    tree = {**TINY, **sections}
    return {key: value for key, value in tree.items() if value is not None or key == "quality"}


def blind(**sections: Any) -> Tree:
    """The same without captions and traces."""
    return of(caption=None, distill=None, traces=None, **sections)


def asked(**sections: Any) -> Tree:
    rollouts = {
        **TINY["rollouts"],
        "system": "Look closely.",
        "prompt": "{question} Answer in {{one}} word.",
        "sampling": {"max_tokens": 8, "temperature": 1.3},
    }
    return of(rollouts=rollouts, preference={"splits": ["sft", "rl"], "per_prompt": 2}, **sections)


SEES: Tree = {
    "model": "vlm",
    "n": 4,
    "sees": "media",
    "sampling": {"temperature": 1.5, "max_tokens": 12},
    "answer_pattern": "(?P<answer>.+)",
}
THINKS: Tree = {
    "model": "vlm",
    "n": 4,
    "sees": "media",
    "prompt": "Describe the image.",
    "sampling": {"temperature": 0.7, "max_tokens": 60},
    "answer_pattern": r"(?P<answer>red|blue|green|yellow|circle|square|triangle|yes|no|\d)",
}
"""A teacher that describes what it sees, so that its traces have thoughts; one word of them is the answer."""
ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}

RECIPES: Mapping[str, Tree] = {
    "whole": of(),
    "as asked": asked(),
    "in other words": asked(
        release={"system": "", "suffix": " Think {first}.", "allow_empty": ["sft", "rl", "holdout", "preference"]}
    ),
    "two students": blind(
        models={**TINY["models"], **OTHER}, rollouts={**TINY["rollouts"], **TWO}, difficulty=COUNTED,
        select={"budget": 0.8, "rule": ANY}, preference={"per_prompt": 2, "splits": ["sft", "rl"]},
    ),
    "by the second student": blind(
        models={**TINY["models"], **OTHER}, rollouts={**TINY["rollouts"], **TWO}, difficulty=COUNTED,
        select={"budget": 0.8, "rule": ANY, "model": "other"},
        preference={"per_prompt": 2, "splits": ["sft", "rl"], "across_models": True},
        release={"extras": ["control"], "allow_empty": ["rl", "holdout", "preference"]},
    ),
    "adaptive": blind(
        rollouts={**TINY["rollouts"], "n": 6, "adaptive": {"first": 2, "wave": 1}}, difficulty=COUNTED,
        select={"rule": {"type": "in_band"}, "splits": ["sft", "rl", "holdout"]},
    ),
    "coverage": blind(
        preference=None, rollouts={**TINY["rollouts"], "n": 2}, split={"sft": 0.1, "rl": 0.8, "holdout": 0.1},
        dedup={**ENCODERS, "near": {"image_threshold": 1}},
        select={"rule": "univg_r1", "budget": 5, "coverage": {"value_weight": 0}, "clusters": {"clusters": 3},
                "quotas": {"by": ["cluster"], "shares": "equal"}},
    ),
    "bands and an order": blind(
        select={"rule": {"type": "mm_eureka"}, "budget": 6, "quotas": {"by": ["source", "band"], "shares": "equal"},
                "order": "easy_to_hard", "splits": ["rl", "sft"]},
    ),
    "shortest traces": of(distill=SEES, traces={"pick": "shortest", "m": 2}),
    "drawn traces": of(distill=SEES, traces={"pick": "length_weighted", "m": 4, "base": 0.7}),
    "second longest traces": of(distill=SEES, traces={"pick": "shortest", "variant": "code", "beats_chance": False, "m": 1}),
    "diverse traces": of(distill=SEES, traces={"pick": "diverse", "max_guess": 0.5}),
    "traces as they come": of(distill=SEES, quality=None, traces=None, select=None, preference=None),
    "a strict quality": of(
        distill=SEES, caption={"model": "vlm", "sampling": {"max_tokens": 120}},
        quality={"min_tokens": 3, "max_tokens": 10, "truncated": True, "max_denied": 0, "max_unvouched": 0,
                 "on_question": True, "contradictions": False},
    ),
    "gold visible": of(distill={**SEES, "prompt": "{question}\nThe answer is {answer}. Why?"}),
    "shown how": of(
        distill={"model": "vlm", "sampling": {"temperature": 1.0, "max_tokens": 12}, "system": "Be {brief}.",
                 "shots": [{"description": "A red circle.", "question": "What color?", "reply": "So the answer is red."}],
                 "force_answer": "So the answer is", "force_tokens": 6},
        caption={"model": "vlm", "system": "Look {well}.", "prompt": "Describe {it}.", "sampling": {"max_tokens": 60}},
    ),
    "rewritten": of(
        distill=THINKS, rewrite={"max_changed": 3, "phrases": {"shape": "form", "large": "big"}},
        quality={"leaks": ["shape", r"larg\w+"], "contradictions": False},
    ),
    "rewritten by a model": of(
        distill=THINKS, rewrite={"model": "vlm", "prompt": "Describe {reasoning}", "sampling": {"max_tokens": 24}},
        quality={"leaks": ["shape", "circle"], "contradictions": False},
    ),
    "graded by another": of(
        distill={**SEES, "n": 1}, release={"trainer": None, "images": "reference", "extras": [],
                                           "allow_empty": ["sft", "rl", "holdout", "preference"]},
        select={"budget": 3},
    ),
    "read by RAP": blind(
        preference=None, rollouts={**TINY["rollouts"], "n": 5}, difficulty=COUNTED, checks=[{"type": "text_only"}],
        signals={"model": "vlm", "attention": {}}, split={"sft": 0.0, "rl": 1.0, "holdout": 0.0},
        select={"rule": {"type": "rap", "lambda_c": 0.1}},
    ),
    "flagged": of(
        rollouts={**TINY["rollouts"], "n": 6}, difficulty=COUNTED,
        checks=[{"type": "text_only"}, {"type": "grey_image"}, {"type": "guess", "n": 2}, {"type": "caption_only", "n": 2},
                {"type": "reverify", "traces": "all"}, {"type": "vote"}],
        check_rules={"alpha": 0.3}, select={"rule": ANY, "without": ["label_suspect", "blind"], "splits": ["sft", "rl"]},
    ),
    "read by likelihood": blind(
        preference=None, signals={"model": "vlm", "likelihood": {}}, select={"budget": 5, "splits": ["sft", "rl"]},
    ),
    "student's defaults": {
        "name": "mine", "models": TINY["models"], "driver": {"workers": 1}, "rollouts": {"model": "vlm", "n": 4},
    },
}  # fmt: skip
"""The old recipes of this project's tests and pages, small, and one for each key that they leave alone."""

IDLE = {"a strict quality": ["survivors"], "shown how": ["quality", "survivors"]}
"""Steps that have no row to work on, by recipe: no trace is good enough, and a model that sees nothing is never right."""

PAIRS = "preference"
"""Its pairs are drawn anew: see `test_pairs_are_of_right_and_wrong_rollouts`."""

WHY: Mapping[tuple[str, str | None, str | None], str] = {
    ("caption", "caption:.*", None): "a caption that could not be had leaves a null; no row was lost, so none drops",
    ("trace", "distill:no_caption", None): "no trace was asked for: `where` passes the sample by",
    ("trace", "verify:no_answer", "drop:no_answer"): "verify measures, drop drops",
    ("trace", "verify:wrong", "drop:wrong"): "verify measures, drop drops",
    ("trace", "verify:(unscored|timeout|crash)", "drop:unscored"): "verify measures, drop drops",
    ("trace", "judge:(wrong|unscored)", "drop:(wrong|unscored)"): "a judge measures, drop drops",
    ("trace", "verify:no_thought", "quality:no_thought"): "how a trace is written is measured in one place",
    ("trace", "verify:no_thought", "drop:(wrong|unscored)"): "that is looked at first now",
    ("trace", "verify:tags", "release:tags"): "tags are put where rows are written",
    ("trace", "rewrite:changed", "rewrite:changed_too_much"): "says what was too much",
    ("trace", "pick:(longer|not_second_longest|not_drawn|alike)", "pick:not_picked"): "the section says the rest",
    ("trace", "pick:chance", "pick:chance"): "",
    ("conclusion", "conclude:.*", None): "a trace that could not be made to conclude has no answer; it drops once",
    ("sample", "release:no_verified_trace", "release:no_row"): "said of every config that a sample was dealt to",
    ("sample", "release:no_verified_trace", None): "a sample that is in a pair, or in any config, has a row",
    ("sample", None, "release:no_row"): "so is one that the trainer's grader left no row",
    ("variants", "variants:.*", None): "a variant that cannot be made is no row; the step counts it",
    ("prompt", "prefer:.*", None): "a prompt of which no pair can be made has none; the sample lives on",
}
"""Reasons that changed their name, as patterns of the old and the new one (None: the row was dropped in one build only), and
why. Any other row is dropped for the same reason in both builds."""


def scenes(folder: Path, number: int = 16) -> Tree:
    """A source with one question about each of `number` scenes, yes or no every other time."""
    found = []
    for i, scene in enumerate(iter_scenes("curate", number, seed=3, levels=(1,))):
        path = folder / f"{i}.png"
        render(scene).save(path)
        one = next(q for q in questions(scene) if q.kind == ("boolean" if i % 2 else "text"))
        found.append({"image": str(path), "question": one.question, "answer": one.answer, "kind": one.kind})
    path = folder / "scenes.jsonl"
    path.write_text("\n".join(map(json.dumps, found)))
    return {"type": "jsonl", "name": "scenes", "path": str(path)}


def unexplained(fates: Iterable[Fate], *, drawn: bool) -> list[Fate]:
    """Rows whose reason is another one, for no reason of `WHY`; `drawn` says that chance picked among traces."""

    def known(fate: Fate) -> bool:
        def fits(pattern: str | None, reason: str | None) -> bool:
            return pattern is reason if None in (pattern, reason) else bool(re.fullmatch(pattern, reason))  # type: ignore[arg-type]

        named = (unit == fate.unit and fits(a, fate.old) and fits(b, fate.new) for unit, a, b in WHY)
        picked = all(reason is None or reason.startswith("pick:") for reason in (fate.old, fate.new))
        return fate.old == fate.new or any(named) or (drawn and picked)

    return [fate for fate in fates if not known(fate)]


def check(both: Twice, idle: Iterable[str] = ()) -> None:
    """Hold a release to that of the old recipe. All steps but those of `idle` must have rows to work on."""
    names = (net.configs(both.old) | net.configs(both.new)) - {PAIRS}
    if by_length(both.tree):
        names -= {"sft"}
        check_lengths(both)
    assert [line for name in sorted(names) for line in net.differences(both, name)] == []
    assert unexplained(net.fates(both), drawn=by_length(both.tree)) == []
    nothing = [record["step"] for record in both.job.records() if not record["in"] and record["type"] != "ingest"]
    assert set(nothing) <= set(idle), "steps that looked at no row show nothing"
    assert list(net.unaccounted(both.job)) == []
    check_pairs(both)


def check_pairs(both: Twice) -> None:
    """As many pairs a prompt as before, each of a right and a wrong reply of the log, put as rows were put before."""
    old, new = net.rows(both.old, PAIRS), net.rows(both.new, PAIRS)
    if old.is_empty() and new.is_empty():
        return
    counts = [dict(table.group_by("id").len().iter_rows()) for table in (old, new)]
    assert counts[0] == counts[1]
    facts = [n for n in old.columns if n in new.columns and not re.match("chosen|rejected|index", n)]
    seen = [{row["id"]: row for row in table.select(facts).to_dicts()} for table in (old, new)]
    assert seen[0] == seen[1]
    if both.tree["preference"].get("responses") == "traces":
        return
    said = net.rows(both.new, "rollouts").select("sample_id", "model", "text", "correct").rows()
    for row in new.to_dicts():
        for side, right in (("chosen", True), ("rejected", False)):
            assert (row["id"], row[f"{side}_model"], row[side][0]["content"], right) in said
    if not both.tree["preference"].get("across_models"):
        assert new["chosen_model"].equals(new["rejected_model"])


def by_length(tree: Mapping[str, Any]) -> bool:
    return (tree.get("traces") or {}).get("pick") in {"shortest", "length_weighted"}


def check_lengths(both: Twice) -> None:
    """As many traces a sample as before, and as long: of two of one length chance takes one, by ids, which are new."""
    tokens = {
        (s, i): t for s, i, t in net.rows_of(both.job, "distill").select("sample_id", "index", "tokens").iter_rows()
    }
    found = [
        sorted((id_, tokens[id_, index]) for id_, index in net.rows(release, "sft").select("id", "index").iter_rows())
        for release in (both.old, both.new)
    ]
    assert found[0] == found[1]


def open_questions(folder: Path) -> Tree:
    """Questions of which no rule can judge an answer, and one that a rule can."""
    found = [
        {"question": f"Why is the sky {c}?", "answer": "Air scatters short waves most.", "kind": "open"} for c in "abcd"
    ]
    found.append({"question": "What color is the sky?", "answer": "blue", "kind": "text"})
    path = folder / "open.jsonl"
    path.write_text("\n".join(map(json.dumps, found)))
    return {"type": "jsonl", "name": "open", "path": str(path)}


JUDGED: Tree = {
    "name": "judged",
    "models": {"m": {"model": "reference-vlm", "engine": "transformers"}},
    "driver": {"workers": 1},
    "distill": {"model": "m", "n": 2, "sampling": {"max_tokens": 4}, "answer_pattern": "(?P<answer>.+)"},
    "judge": {"model": "m", "contract": "yes_no", "sampling": {"max_tokens": 4}},
    "rollouts": {"model": "m", "n": 2, "sampling": {"max_tokens": 4}, "tags": "plain"},
    "release": {"allow_empty": ["sft", "rl", "holdout"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("contract", ["equivalence", "yes_no", "one_zero"])
def test_a_judge_is_asked_the_same(contract: str, tmp_path: Path) -> None:
    judge = {"judge": {**JUDGED["judge"], "contract": contract}}
    both = net.twice(tmp_path, {**JUDGED, **judge, "sources": [open_questions(tmp_path)]})
    check(both, idle=["quality", "pick"])  # a model that knows few words calls little right


def duplicates(folder: Path) -> tuple[Tree, Tree]:
    """Samples of which each level of `dedup` has one to drop, and an evaluation set that asks one of them."""
    shown = [render(scene) for scene in iter_scenes("curate", 12, seed=5, levels=(2, 3))]
    for i, image in enumerate(shown):
        image.save(folder / f"{i}.png")
    shown[2].convert("RGB").save(folder / "2.jpg", quality=90)
    long = "In the image that was taken by the camera above the table, which of the objects is the one that stands nearest?"
    found = [(f"What is at the place {i * 7 + 3}?", f"thing {i}", f"{i}.png") for i in range(12)]
    found += [
        ("what is at  the place 3 ?", "Thing 0", "0.png"),
        (long, "box", "1.png"),
        (long.replace("stands", "stood"), "box", "1.png"),
        ("What is at the place 17?", "thing 2", "2.jpg"),
        ("What color is the biggest shape?", "red", "3.png"),
        ("Which color does the biggest shape have?", "red", "3.png"),
    ]
    listed = [{"question": q, "answer": a, "image": str(folder / name)} for q, a, name in found]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, listed)))
    (folder / "exam.jsonl").write_text(
        json.dumps({"question": found[5][0], "answer": "x", "image": str(folder / "5.png")})
    )
    rows, exam = ({"type": "jsonl", "name": name, "path": str(folder / f"{name}.jsonl")} for name in ("rows", "exam"))
    return rows, exam


@pytest.mark.slow
def test_the_same_duplicates_and_exam_questions_go(tmp_path: Path) -> None:
    rows, exam = duplicates(tmp_path)
    tree = {"name": "twins", "driver": {"workers": 1}, "sources": [rows], "dedup": ENCODERS,
            "decontaminate": {"sources": [exam]}, "split": {"sft": 0, "rl": 0.6, "holdout": 0.4}}  # fmt: skip
    both = net.twice(tmp_path, tree)
    check(both)
    dropped = {fate.new for fate in net.fates(both)}
    assert {"dedup:exact", "dedup:text", "dedup:image_hash", "dedup:near"} <= dropped
    assert any(reason and reason.startswith("decontaminate:") for reason in dropped)


def test_golds_that_the_trainer_cannot_read_go_the_same_way(tmp_path: Path) -> None:
    found = [
        {"question": "How many sides has a square?", "answer": "4", "kind": "number"},
        {"question": "What is a half?", "answer": "\\frac{1}{2}", "kind": "expression"},
        {"question": "Which is a color?", "answer": "B", "kind": "choice", "options": ["stone", "red", "run"]},
        {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
        {"question": "What is one?", "answer": "x = 1, y", "kind": "expression"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, found)))
    source = {"type": "jsonl", "name": "rows", "path": str(tmp_path / "rows.jsonl")}
    tree = {
        "name": "graded",
        "driver": {"workers": 1},
        "sources": [source],
        "split": {"sft": 0.0, "rl": 1.0, "holdout": 0.0},
    }
    check(net.twice(tmp_path, tree))


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"preference": {"max_pairs": 5}}, "preference.max_pairs"),
        ({"judge": {"model": "vlm", "votes": 3}}, "judge.votes"),
        ({"judge": {"model": "vlm", "contract": "graded"}}, "judge.contract"),
        ({"select": {"rule": {"type": "mmr1_vas"}}}, "select.rule"),
        ({"select": {"rule": {"type": "rap", "variant": "code", "formed": True}}}, "select.rule.formed"),
        ({"shuffle": {}}, "shuffle"),
    ],
)
def test_what_cannot_be_translated_is_named(sections: Tree, key: str) -> None:
    with pytest.raises(UntranslatableError, match=f"^{re.escape(key)}:"):
        translate(of(**sections))


def built(tmp_path: Path, tree: Tree, **more: Any) -> Twice:
    return net.twice(tmp_path, {**tree, "sources": [scenes(tmp_path)]}, **more)


@pytest.mark.slow
def test_the_quickstart_releases_the_same_rows(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "support" / "quickstart_sections.yaml"
    tree, _ = read_yaml(path.read_text(), lambda line: f"{path}:{line}")
    both = net.twice(tmp_path, tree, limit=30)
    check(both)
    assert {"sft", "rl", "rollouts", "unfiltered"} <= net.configs(both.new)


def test_a_whole_recipe_releases_the_same_rows(tmp_path: Path) -> None:
    both = built(tmp_path, RECIPES["whole"])
    check(both)
    assert {"sft", "rl", "rollouts", "unfiltered"} <= net.configs(both.new)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name != "whole"])
def test_a_recipe_releases_the_same_rows(name: str, tmp_path: Path) -> None:
    check(built(tmp_path, RECIPES[name]), IDLE.get(name, ()))
