"""Rules that a well-kept library also has must agree with it; published faults of formulas are tried on random input."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.verify.geometry import best_pairs, iou, union_iou
from filters.verify.gold import parse_gold
from filters.verify.kinds.boxes import BoxesParams, average_precision
from filters.verify.kinds.mask import unpacked
from filters.verify.kinds.spans import span_iou
from filters.verify.kinds.text import TextParams, rouge, wer
from filters.verify.verifier import verify
from schemas.answer import Box

WORDS = st.lists(st.sampled_from(["red", "blue", "green", "dog", "cat", "runs"]), min_size=1, max_size=8).map(" ".join)
BOX = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)
PARAMS = TextParams()


@given(WORDS, WORDS)
@settings(deadline=None)
def test_word_error_rate_is_jiwers(text: str, gold: str) -> None:
    jiwer = pytest.importorskip("jiwer")
    assert wer(text, gold, PARAMS) == pytest.approx(max(0.0, 1 - jiwer.wer(gold, text)))


@given(WORDS, WORDS)
@settings(deadline=None, max_examples=30)
def test_rouge_is_google_researchs(text: str, gold: str) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    scores = scorer.RougeScorer(["rouge1", "rougeL"], use_stemmer=True).score(gold, text)
    parts = [scores["rouge1"].fmeasure, scores["rougeL"].fmeasure]
    if min(len(text.split()), len(gold.split())) > 1:
        more = scorer.RougeScorer(["rouge2"], use_stemmer=True).score(gold, text)["rouge2"].fmeasure
        parts.append(more)
    assert rouge(text, gold, PARAMS) == pytest.approx(sum(parts) / len(parts))


@given(BOX, BOX)
def test_box_overlap_is_cocos(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    as_coco = [[x[0], x[1], x[2] - x[0], x[3] - x[1]] for x in (a, b)]
    assert iou(a, b) == pytest.approx(float(coco.iou(as_coco[:1], as_coco[1:], [0])[0][0]))  # type: ignore[arg-type]


@given(st.lists(BOX, min_size=1, max_size=4), st.lists(BOX, min_size=1, max_size=4))
@settings(max_examples=40)
def test_union_overlap_is_that_of_the_painted_pixels(a: list[Any], b: list[Any]) -> None:
    painted = [
        {(x, y) for u in boxes for x in range(int(u[0]), int(u[2])) for y in range(int(u[1]), int(u[3]))}
        for boxes in (a, b)
    ]
    assert union_iou(a, b) == pytest.approx(len(painted[0] & painted[1]) / len(painted[0] | painted[1]))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=5),
    st.integers(0, 30),
    st.integers(1, 9),
)
def test_span_overlap_is_that_of_the_seconds(spans: list[tuple[int, int]], start: int, length: int) -> None:
    mine = [(float(s), float(s + d)) for s, d in spans]
    theirs = [(float(start), float(start + length))]
    seconds = [{t for s, e in side for t in range(int(s), int(e))} for side in (mine, theirs)]
    assert span_iou(mine, theirs) == pytest.approx(len(seconds[0] & seconds[1]) / len(seconds[0] | seconds[1]))


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=50)
def test_pairs_are_one_to_one_and_no_swap_is_better(gains: list[list[float]]) -> None:
    pairs = best_pairs(gains)
    assert len(pairs) == min(len(gains), 3)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    total = sum(gains[i][j] for i, j in pairs)
    for (i, j), (k, m) in pairwise(pairs):
        assert total + 1e-9 >= total - gains[i][j] - gains[k][m] + gains[i][m] + gains[k][j]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_packed_run_lengths_are_cocos(runs: list[int]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    total = sum(runs)
    if not total:
        return
    packed = coco.frPyObjects({"size": [total, 1], "counts": runs}, total, 1)["counts"].decode()
    assert unpacked(packed) == runs


def test_average_precision_of_the_voc_kit() -> None:
    gold = [Box(xyxy=(20.0 * i, 0, 20.0 * i + 10, 10)) for i in range(4)]
    miss = Box(xyxy=(500, 500, 510, 510))
    ranked = [gold[0], miss, gold[1], miss, miss, gold[2]]
    scored = [b.model_copy(update={"score": 1 - i / 10}) for i, b in enumerate(ranked)]
    assert average_precision(scored, gold, BoxesParams()) == pytest.approx((1 + 2 / 3 + 3 / 6) / 4)
    assert average_precision(scored[::-1], gold, BoxesParams()) == pytest.approx((1 + 2 / 3 + 3 / 6) / 4)


@given(st.integers(1, 4), st.integers(2, 4), st.randoms(use_true_random=False), st.sampled_from(["layout", "index"]))
@settings(max_examples=80)
def test_the_exact_jigsaw_answer_scores_one_in_both_directions(
    rows: int, columns: int, chance: Any, direction: str
) -> None:
    cells = list(range(1, rows * columns + 1))
    chance.shuffle(cells)
    grid = "\n".join(" ".join(str(c) for c in cells[r * columns : (r + 1) * columns]) for r in range(rows))
    params = {"metric": "adjacency", "direction": direction}
    gold = parse_gold("grid", grid, params=params)
    assert verify(f"<answer>{grid}</answer>", gold, params=params).score == 1.0
    other = cells[::-1]
    wrong = "\n".join(" ".join(str(c) for c in other[r * columns : (r + 1) * columns]) for r in range(rows))
    verdict = verify(f"<answer>{wrong}</answer>", gold, params=params)
    assert verdict.score is not None
    assert verdict.score < 1.0


@given(st.text(alphabet="abcdef ", min_size=1, max_size=15), st.text(alphabet="uvwxyz", min_size=1, max_size=15))
def test_a_totally_different_text_scores_nothing_in_anls(gold: str, response: str) -> None:
    if not gold.strip():
        return
    answer = parse_gold("text", gold, params={"metric": "anls"})
    assert verify(f"<answer>{response}</answer>", answer, params={"metric": "anls"}).score == 0.0
