# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""What a recipe gets wrong is said before anything runs: one sentence, with the line, and with the nearest name."""

from pathlib import Path

import pytest

from pipelines.job import compile_recipe
from schemas.errors import ConfigError

HEAD = """name: tiny
models: {vlm: {model: reference-vlm}, lm: {model: smollm2-135m-instruct}}
sources: [{type: jsonl, name: sums, path: rows.jsonl, kind: number}]
steps:
"""
"""Lines 1 to 4."""

TRACES = "  - distill: {model: lm, sees: nothing, prompt: '{{ question }}'}\n"

REFUSED = {
    "a step that there is not": (
        "  - verifi\n",
        ":5: there is no step type 'verifi'. Did you mean 'verify'?",
    ),
    "a key that there is not": (
        "  - caption: {model: vlm, promt: Describe it.}\n",
        ":5: unknown key 'steps.caption.promt'. Did you mean 'prompt'?",
    ),
    "a model that there is not": (
        "  - caption: {model: vml}\n",
        ":5: steps.caption.model: no model named 'vml'. Did you mean 'vlm'?",
    ),
    "a column that nobody gives, in a prompt": (
        "  - caption: {model: vlm, prompt: 'Describe {{ qestion }}.'}\n",
        ":5: caption: reads `qestion`, and no step before it gives that to sample. Did you mean 'question'?",
    ),
    "a column that nobody gives, in a condition": (
        "  - drop: {of: sample, if: {long: length(qestion) > 3}}\n",
        ":5: drop: reads `qestion`, and no step before it gives that to sample. Did you mean 'question'?",
    ),
    "a column that nobody gives, in where": (
        "  - sql: {of: sample, where: qestion = 'x', gives: {x: question}}\n",
        ":5: sql: reads `qestion`, and no step before it gives that to sample. Did you mean 'question'?",
    ),
    "a function that there is not": (
        "  - drop: {of: sample, if: {long: lenght(question) > 3}}\n",
        ":5: 'steps.drop.if.long': `lenght(question) > 3` calls lenght(), which DuckDB does not have. Did you mean 'length'? (given: 'lenght(question) > 3').",
    ),
    "a condition of another type": (
        "  - drop: {of: sample, if: {long: length(question)}}\n",
        ":5: drop: `length(question)` is no condition: it gives Int64; compare it with something",
    ),
    "a name of two columns": (
        TRACES + "  - verify: {as: a}\n  - verify: {as: b}\n  - drop: {of: trace, if: {wrong: NOT correct}}\n",
        ":8: drop: `correct` is given by 'a' and by 'b'; write a.correct or b.correct.",
    ),
    "difficulty of rollouts that were shown, through a count, what a model that saw the gold wrote": (
        "  - distill: {model: lm, sees: nothing, prompt: '{{ question }} {{ answer }}'}\n  - tally: {of: trace, to: sample, gives: {hint: max(text)}}\n"
        "  - rollout: {model: lm, sees: nothing, prompt: '{{ hint }} {{ question }}'}\n  - verify: {of: rollout}\n  - difficulty\n",
        ":9: difficulty: it counts rows of 'rollout', whose prompt shows the gold; that measures no difficulty.",
    ),
    "difficulty of rollouts that a step which sees the gold wrote anew": (
        "  - rollout: {model: lm, sees: nothing}\n  - sql: {of: rollout, gives: {text: answer}}\n  - verify: {of: rollout}\n  - difficulty\n",
        ":8: difficulty: it counts rows whose `text` 'sql' wrote anew, which sees the gold; that measures no difficulty.",
    ),
    "a step of the name of one that is implied": (
        "  - sql: {as: selftest, of: sample, gives: {x: '1'}}\n",
        ":5: a step cannot be named 'selftest': that name is reserved. Choose another `as`.",
    ),
    "a unit whose name is none": (
        "  - sql: {as: x, of: sample, makes: ../x, select: SELECT id AS parent_id FROM rows}\n",
        ":5: x: `makes: ../x` is no name of a unit: lower-case letters, digits and _, a letter first, at most 64; not parent or rows.",
    ),
    "a unit of the name of a step": (
        "  - sql: {as: sizes, of: sample, gives: {size: length(question)}}\n  - sql: {as: x, of: sample, makes: sizes, select: SELECT id AS parent_id FROM rows}\n",
        ":6: x: `makes: sizes` is the name of a step before it; choose another.",
    ),
    "a step of the name of a unit": (
        "  - sql: {as: x, of: sample, makes: draft, select: SELECT id AS parent_id FROM rows}\n  - sql: {as: draft, of: sample, gives: {size: length(question)}}\n",
        ":6: draft: it does not make the rows of 'draft', which there are before it; choose another `as`.",
    ),
    "samples without a gold": (
        "  - sql: {as: x, of: sample, makes: sample, select: SELECT id AS parent_id FROM rows}\n",
        ":5: x: `makes: sample`: samples have a question and its gold; make another unit, and `promote` its rows.",
    ),
    "a condition without words": (
        "  - drop: {of: sample, where: '', if: {x: 'true'}}\n",
        ":5: drop: `` is empty",
    ),
    "a number of more than 64 bits": (
        "  - sql: {of: sample, gives: {x: '170141183460469231731687303715884105727'}}\n",
        ":5: sql: `170141183460469231731687303715884105727` gives a whole number of more than 64 bits; cast it to DOUBLE",
    ),
    "a column that no trainer reads": (
        "  - sql: {of: sample, gives: {day: \"DATE '2026-01-02'\"}}\n  - release: {trainer: null, rl: {of: sample, columns: [day]}}\n",
        ":6: release: `day` is Date, and a release holds texts, whole numbers, floats, booleans, lists and objects of them; cast it to one of these in an `sql` step",
    ),
    "two columns of one name in a release": (
        "  - sql: {as: a, of: sample, gives: {x: '1'}}\n  - sql: {as: b, of: sample, gives: {a_x: '2'}}\n  - release: {trainer: null, rl: {of: sample, columns: [a.x, a_x]}}\n",
        ":7: release: rl: `a.x` and `a_x` would both be the column a_x",
    ),
    "SQL of any length": (
        f"  - sql: {{of: sample, gives: {{x: \"len('{'y' * 20_000}')\"}}}}\n",
        f":5: steps.sql: `len('{'y' * 195}…` has 20,014 characters, and 10,000 are the most",
    ),
    "a template of any length": (
        f"  - caption: {{model: vlm, prompt: '{{{{ {'(' * 3000} }}}}'}}\n",
        f":5: 'steps.caption.prompt': the prompt is nested too deeply (given: '{{{{ {'(' * 196}…).",
    ),
    "an outdated column": (
        "  - sql: {as: a, of: sample, gives: {size: length(question)}}\n  - sql: {as: b, of: sample, gives: {question: question || '!'}}\n  - drop: {of: sample, if: {long: size > 3}}\n",
        ":7: drop: `size` is outdated: 'a' gave it before 'b' changed what it depends on. Measure it again after 'b', or write a.size for the old one.",
    ),
    "a difficulty of prompts that show the gold": (
        "  - rollout: {model: vlm, n: 2, prompt: '{{ question }} {{ answer }}'}\n  - verify: {of: rollout}\n  - difficulty\n",
        ":7: difficulty: it counts rows of 'rollout', whose prompt shows the gold; that measures no difficulty.",
    ),
    "two statements in an expression": (
        "  - sql: {of: sample, gives: {x: question; DROP TABLE rows}}\n",
        ":5: steps.sql: `question; DROP TABLE rows` holds 2 statements; write one",
    ),
    "two statements in a condition": (
        "  - drop: {of: sample, if: {a: true; SELECT 1}}\n",
        ":5: 'steps.drop.if.a': `true; SELECT 1` holds 2 statements; write one (given: 'true; SELECT 1').",
    ),
    "chance in SQL": (
        "  - sql: {of: sample, gives: {x: random()}}\n",
        ":5: steps.sql: `random()` calls random(), which may give another value in the next build",
    ),
    "two steps of one name": (
        TRACES + "  - verify\n  - verify: {of: trace}\n",
        ":7: two steps are named 'verify', the first at {file}:6; add `as: …` to one.",
    ),
    "a step after the release": (
        "  - release: {rl: {of: sample}}\n  - sql: {of: sample, gives: {x: question}}\n",
        ":6: sql: it comes after 'release', and what goes out is decided by then; move it before 'release'.",
    ),
    "samples made after the split": (
        TRACES + "  - split: {sft: 0.5, rl: 0.5}\n  - promote: {of: trace, question: question, answer: final}\n",
        ":7: promote: it makes sample rows after 'split', which deals all of them to sides; move it before 'split'.",
    ),
    "a unit that nobody makes": (
        TRACES + "  - drop: {of: trase, if: {a: 'true'}}\n",
        ":6: drop: nothing before it makes 'trase'. Did you mean 'trace'? There are distill, ingest, sample, trace.",
    ),
    "a text of a gigabyte": (
        "  - caption: {model: vlm, prompt: \"{{ 'a' * 10**9 }}\"}\n",
        ":5: 'steps.caption.prompt': line 1: there is no arithmetic in a prompt; let an `sql` step compute the column (given: \"{{ 'a' * 10**9 }}\").",
    ),
    "a loop of a thousand million": (
        "  - caption: {model: vlm, prompt: '{% for i in range(1000000000) %}{{ question }}{% endfor %}'}\n",
        ":5: 'steps.caption.prompt': line 1: a loop goes over a list of the row, as in `for option in options` (given: '{% for i in range(1000000000) %}{{ question }}{% endfor %}').",
    ),
    "bare braces": (
        "  - caption: {model: vlm, prompt: {{ question }}}\n",
        ':5: bare {{ question }} is a mapping to YAML; put the whole text in quotes: "{{ question }}".',
    ),
}


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        compile_recipe(str(path))
    assert str(error.value).startswith(str(path))
    return str(error.value).removeprefix(str(path)).replace(str(path), "{file}")


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_one_sentence_with_its_line(tmp_path: Path, what: str) -> None:
    steps, sentence = REFUSED[what]
    assert refusal(tmp_path, HEAD + steps) == sentence


def test_a_recipe_reads_no_release_that_it_is_about_to_make(tmp_path: Path) -> None:
    """A version is written once and never again, so naming one leaves no way round in a circle."""
    sums, own = "{type: jsonl, name: sums, path: rows.jsonl, kind: number}", "{type: release, name: own, path: tiny}"
    assert refusal(tmp_path, HEAD.replace(sums, own) + "  - release: {rl: {of: sample}}\n") == (
        ":3: 'sources.0.path': 'tiny' names no version; write one, such as tiny@v1, so that no recipe reads what it is about to make (given: 'tiny')."
    )


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    judge = "  - judge: {model: lm, of: trace, prompt: '{{ final }}', reply: {choice: [yes, no]}}\n"
    path.write_text(HEAD + TRACES + judge + "  - drop: {of: trace, if: {on: judge = 'no'}}\n")
    step = compile_recipe(str(path)).pipeline.step("judge")
    assert step.config.reply.choice == ("yes", "no")
