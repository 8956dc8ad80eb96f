"""MC-CoT's vote, by hand: eight rationales a question, of which those of the elected option that reach the gold stay."""

from collections import Counter
from pathlib import Path

from given_replies import reasons, with_given

GOLD = {"clear": "A", "close": "B", "tie": "A", "against": "C"}
VOTES = {
    "clear": "AAAAABBC",  # 5 of 8 for the gold
    "close": "BBBCCDDA",  # 3 of 8, and no other option has as many
    "tie": "AAABBBCC",  # 3 and 3: nothing is elected
    "against": "AAAAAAAC",  # 7 of 8 say that the gold is another
}


def test_the_elected_option_keeps_its_rationales_and_a_tie_elects_none(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"Which one is {name}?",
            "options": ["one", "two", "three", "four"],
            "answer": gold,
            "replies": [
                f"Rationale {n} of {name}, {'very ' * n}long.\nAnswer: {vote}" for n, vote in enumerate(VOTES[name])
            ],
        }
        for name, gold in GOLD.items()
    ]
    given = {"unfold": {"as": "given_traces", "column": "replies", "makes": "trace"}}
    job = with_given(
        tmp_path,
        "mc_cot",
        rows,
        [{"before": "verify", "steps": [given]}],
        ["distill"],
        {"replies": ["str"]},
        kind="choice",
    )
    counted = job.rows("sample", ("question", "votes_most", "votes_read", "votes_gold")).sort("question")
    assert counted.select("question", "votes_most", "votes_read", "votes_gold").rows() == [
        ("Which one is against?", 7, 8, 1),
        ("Which one is clear?", 5, 8, 5),
        ("Which one is close?", 3, 8, 3),
        ("Which one is tie?", 3, 8, 3),
    ]
    assert Counter(reasons(job)) == {
        "drop:outvoted": 3 + 5 + 2 + 1,
        "drop:tied": 6,
        "drop:against_gold": 7,
        "pick:not_picked": 4 + 2,
    }
    kept = job.rows("trace", ("sample.question",))["sample.question"].sort().to_list()
    assert kept == ["Which one is clear?", "Which one is close?"]
