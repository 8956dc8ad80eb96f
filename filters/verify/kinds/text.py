"""Words: exact up to spelling, or one of the published similarities; the best of the value and its aliases counts."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from filters.verify.clauses import after_wait, before_reason
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params
from filters.verify.lead_in import unled
from filters.verify.normalise import flat, unprefixed, words
from schemas.answer import TextAnswer
from schemas.errors import MissingDependencyError

_PUNCTUATION = re.compile(r"[^\w\s]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SHORT = 2000


class TextParams(Params):
    """Which similarity, and from where on it counts."""

    metric: Literal["exact", "anls", "edit", "wer", "rouge", "rouge_l", "bleu", "token_f1"] = "exact"
    aliases: tuple[str, ...] = Field(default=(), description="other answers that are as good as the gold")
    cutoff: float = Field(default=0.5, ge=0, le=1, description="anls: similarities below it score 0")


def read_gold(raw: str, options: Sequence[str], params: TextParams) -> TextAnswer:
    """Any text with a word or sign in it."""
    if not words(raw) and not flat(raw):
        raise GoldUnparseableError("the text is empty")
    return TextAnswer(raw=raw, value=flat(raw), aliases=params.aliases)


def judge(span: str, gold: TextAnswer, options: Sequence[str], params: TextParams) -> Outcome:
    """The best score over the value and its aliases."""
    candidates = (gold.value, *gold.aliases, *params.aliases)
    if params.metric == "exact" and len(span) > _SHORT + 4 * max(map(len, candidates)):
        return Outcome(0.0, f"other words: {len(span)} characters")
    text, whole = unprefixed(span), flat(span)
    spellings = {(words(spelling), spelling) for spelling in (text, whole)}
    if len(span) <= _SHORT and (final := unled(before_reason(after_wait(whole)))) != text:
        spellings.add((words(final), final))
    if any(_same(*spelling, candidate) for candidate in candidates for spelling in spellings):
        return Outcome(1.0, "the same words", text)
    if params.metric == "exact":
        return Outcome(0.0, "other words", text)
    score, best = max((_SIMILARITY[params.metric](text, c, params), c) for c in dict.fromkeys(candidates))
    return Outcome(score, f"{params.metric} {score:.3f} to {best[:60]!r}", text)


def settle(span: str, gold: TextAnswer, options: Sequence[str], params: TextParams) -> Outcome | None:
    """Similarities of long texts take their time; they are computed where they can be stopped."""
    longest = max(map(len, (span, gold.value, *gold.aliases, *params.aliases)))
    return judge(span, gold, options, params) if longest <= _SHORT or params.metric == "exact" else None


def _same(folded: str, spelling: str, candidate: str) -> bool:
    wanted = words(candidate)
    return folded == wanted if wanted else spelling == flat(candidate)


def _tokens(text: str) -> list[str]:
    return _ARTICLES.sub(" ", _PUNCTUATION.sub(" ", flat(text).casefold())).split()


def anls(text: str, gold: str, params: TextParams) -> float:
    """Normalised Levenshtein similarity, 0 below the cutoff."""
    from rapidfuzz.distance import Levenshtein

    similarity = Levenshtein.normalized_similarity(words(text), words(gold))
    return float(similarity) if similarity >= params.cutoff else 0.0


def edit(text: str, gold: str, params: TextParams) -> float:
    """Normalised Levenshtein similarity."""
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_similarity(words(text), words(gold)))


def wer(text: str, gold: str, params: TextParams) -> float:
    """1 − word error rate, floored at 0."""
    from rapidfuzz.distance import Levenshtein

    mine, theirs = words(text).split(), words(gold).split()
    return max(0.0, 1.0 - Levenshtein.distance(mine, theirs) / max(1, len(theirs)))


def rouge(text: str, gold: str, params: TextParams) -> float:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L; ROUGE-2 is left out where either text has one word only."""
    mine, theirs = _stems(text), _stems(gold)
    scores = [_ngrams(mine, theirs, 1), _lcs(mine, theirs)]
    if min(len(text.split()), len(gold.split())) >= 2:
        scores.append(_ngrams(mine, theirs, 2))
    return sum(scores) / len(scores)


def rouge_l(text: str, gold: str, params: TextParams) -> float:
    """F1 of ROUGE-L."""
    return _lcs(_stems(text), _stems(gold))


def _stems(text: str) -> list[str]:
    try:
        from rouge_score.tokenizers import DefaultTokenizer
    except ImportError as error:
        raise MissingDependencyError("rouge-score", "verify", "The ROUGE metric") from error
    return list(DefaultTokenizer(use_stemmer=True).tokenize(text))


def _ngrams(mine: list[str], theirs: list[str], n: int) -> float:
    first, second = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (mine, theirs))
    return 2 * (first & second).total() / max(1, first.total() + second.total())


def _lcs(mine: list[str], theirs: list[str]) -> float:
    """The library fills a table of Python numbers, of one text's length times the other's; this gives the same."""
    from rapidfuzz.distance import LCSseq

    return 2 * LCSseq.similarity(mine, theirs) / max(1, len(mine) + len(theirs))


def bleu(text: str, gold: str, params: TextParams) -> float:
    """Sentence BLEU-4 with exponential smoothing and effective order, 0–1."""
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise MissingDependencyError("sacrebleu", "verify", "The BLEU metric") from error
    return min(1.0, float(BLEU(effective_order=True, lowercase=True).sentence_score(text, [gold]).score) / 100)


def token_f1(text: str, gold: str, params: TextParams) -> float:
    """F1 of the word multisets, without articles and punctuation."""
    mine, theirs = _tokens(text), _tokens(gold)
    both = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * both / (len(mine) + len(theirs)) if both else 0.0


_SIMILARITY: dict[str, Callable[[str, str, TextParams], float]] = {
    "anls": anls, "edit": edit, "wer": wer, "rouge": rouge, "rouge_l": rouge_l, "bleu": bleu, "token_f1": token_f1,
}  # fmt: skip

TEXT = Kind(
    name="text",
    params=TextParams,
    read_gold=read_gold,
    judge=judge,
    longest=1_000_000,
    settle=settle,
    metrics={
        "exact": Metric(
            "1 if the words are the same (case, outer punctuation, leading article aside), else 0", "common"
        ),
        "anls": Metric(
            "1 − NL, where NL is the edit distance over the longer length; 0 where that is below the cutoff",
            "ANLS, arXiv 1905.13648 section 4.2",
            0.5,
        ),
        "edit": Metric("1 − NL, without a cutoff", "R1-Onevision, VLM-R1", 0.9),
        "wer": Metric("max(0, 1 − WER)", "Video-R1 and OneThinker, rule `ocr`", 0.9),
        "rouge": Metric(
            "mean F1 of ROUGE-1, ROUGE-2, ROUGE-L (stemmed); without ROUGE-2 for single words",
            "Video-R1, rule `free-form`",
            0.5,
        ),
        "rouge_l": Metric("F1 of ROUGE-L (stemmed)", "SATORI-R1, plugin.py", 0.5),
        "bleu": Metric("sentence BLEU-4, exponential smoothing, effective order", "SATORI-R1, plugin.py", 0.5),
        "token_f1": Metric(
            "F1 of the bags of words, without case, punctuation and articles", "SQuAD, arXiv 1606.05250", 0.5
        ),
    },
    gold_forms="any text; `aliases` holds others that are as good",
    response_forms='any text, after a lead-in, before a reason ("Paris, because …") or corrected ("London. Wait, Paris")',
    show=lambda gold: gold.value,
    string_tier=True,
    symmetric=True,
)
