"""VLAA-Thinking built whole: caption, trace, mended trace, verdict, and the split by cues.

Questions tell the reasoner, which has 135M parameters, what to say; so traces are right, wrong, of a caption, or cued.
"""

import pytest
from small_recipe import Built, build_small, compiled, saying, shapes

NAME = "vlaa_thinking"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(NAME)
    asked = "Is the {shape} {colour}?"
    plain = saying(asked, "The {shape} is {colour}. The answer is yes.", "yes")
    waits = saying("Does the {shape} wait?", "The {shape} waits, wait and see. The answer is yes.", "yes")
    told = saying("Does the caption say {colour}?", "The caption says {colour}. The answer is yes.", "yes")
    wrong = saying(asked, "The {shape} is small. The answer is no.", "yes")
    sources = [
        shapes(folder, "arxivqa", [plain, plain, waits]),
        shapes(folder, "geoqa170k", [waits, told, told], seed=1),
        shapes(folder, "clevr_math", [wrong, wrong, waits], seed=2),
    ]
    tokens = {"caption": 12, "distill": 32, "rewrite": 32, "judge": 8}
    return build_small(NAME, folder / "out", sources, tokens, ["steps.distill.sampling.seed=2"])


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    assert steps["distill"].config.shown == ()
    assert steps["rewrite"].config.max_changed == 15
    assert set(steps["judge"].sources) == {"answer", "final"}  # not the question
    assert steps["split"].config.sides == {"rl": "cued > 0", "sft": "else"}


def test_every_step_does_something(built: Built) -> None:
    assert built.separated("drop")
    assert list(built.records["drop"]["dropped"]) == ["drop:wrong"]
    assert built.rows("trace", "cues")["cues"].n_unique() > 1
    assert built.records["rewrite"]["passed"] > 0
    assert built.records["rewrite"]["kept"] > 0
    assert built.separated("quality")
    assert set(built.rows("sample", "caption")["caption"]) != {None}


def test_a_sample_whose_trace_has_a_cue_goes_to_rl(built: Built) -> None:
    samples = built.rows("sample", "cued", "side")
    assert set(samples.select("side", cue=samples["cued"] > 0).rows()) == {("rl", True), ("sft", False)}
    sft, rl = built.config("sft"), built.config("rl")
    assert len(sft) > 0
    assert len(rl) == samples["side"].eq("rl").sum()
    assert not any("wait" in row["completion"][0]["content"] for row in sft)
    assert all(row["k"] is None and row["n"] is None for row in rl)
    assert not any("```Caption" in str(row["prompt"]) for row in sft)
