"""OmniThoughtVis's three grades, by hand: each decides by itself, so that length never outweighs what is wrong."""

from pathlib import Path

from given_replies import reasons, with_given

GRADES = {  # verbosity, difficulty, sound: the mean of the first is 5.0 and of the second 1.33
    "long and wrong": (9, 6, 0),
    "short and right": (2, 2, 1),
    "fitting and right": (9, 6, 1),
    "far too long": (1, 6, 1),
}


def test_a_long_wrong_trace_never_beats_a_short_right_one(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"How many are there, {name}?",
            "answer": "3",
            "replies": [f"<think>There is one here, and two more are behind it, {name}.</think><answer>3</answer>"],
            "verbosity": float(verbosity),
            "difficulty_grade": float(difficulty),
            "sound": str(sound),
            "task": "counting",
        }
        for name, (verbosity, difficulty, sound) in GRADES.items()
    ]
    given = {"unfold": {"as": "given_traces", "column": "replies", "makes": "trace"}}
    columns = {"replies": ["str"], "verbosity": "float", "difficulty_grade": "float", "sound": "str", "task": "str"}
    removed = ["distill", "verbosity", "difficulty_grade", "sound", "task"]
    insert = [{"before": "drop", "steps": [given]}]
    job = with_given(tmp_path, "omnithoughtvis", rows, insert, removed, columns, kind="number")
    kept = job.rows("trace", ("sample.question",))["sample.question"].sort().to_list()
    assert kept == ["How many are there, fitting and right?", "How many are there, short and right?"]
    assert [reason for reason in reasons(job) if reason.startswith("drop:")] == ["drop:misfit", "drop:unsound"]
