"""Wrong golds that were planted, found by the recipe of docs/recipes.md and by a judge, through whole builds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import Answer, Asked, ChatServer, completion
from recipe_build import built, write_recipe
from tiny import dropped, rows

GOLDS = {2: "4", 3: "6.0", 4: "9", 5: "11", 6: "12", 7: "13", 8: "16"}
"""What the source says is twice the number: wrong of 4, 5 and 7."""
DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"


def documented() -> list[Any]:
    """The steps of the page, with two models of this test."""
    part = DOCS.read_text(encoding="utf-8").split("### Labels that are checked")[1]
    found = re.search(r"```yaml\n(.*?)```", part, re.DOTALL)
    assert found is not None
    steps: list[Any] = yaml.safe_load(found[1])["steps"]
    return steps


def answer(body: Asked) -> Answer:
    """Two solvers, of whom one errs at 6; both decline 7 and err alike at 8. A judge that says yes to what is wrong of 4."""
    prompt = json.dumps(body["messages"])
    found = re.search(r"twice (\d)", prompt)
    assert found is not None
    number = int(found[1])
    if "Is that right" in prompt:
        right = number == 4 or str(2 * number) in prompt or f"{2 * number}.0" in prompt
        return completion(body, content="yes" if right else "no")
    if number == 7:
        return completion(body, content="I cannot tell")
    wrong = number == 8 or (number == 6 and body["model"] == "second")
    return completion(body, content=f"{2 * number + wrong}.0" if body["model"] == "second" else str(2 * number + wrong))


def build(folder: Path, steps: list[Any]) -> Any:
    source = {"type": "jsonl", "name": "rows", "path": str(folder / "rows.jsonl"), "kind": "number"}
    data = [{"question": f"What is twice {number}?", "answer": gold} for number, gold in GOLDS.items()]
    with pytest.MonkeyPatch.context() as patch, ChatServer(answer) as server:
        patch.setenv("OPENAI_API_KEY", "none")
        models = {
            name: {"model": served, "engine": "openai", "base_urls": [server.url]}
            for name, served in (("reasoner", "first"), ("vlm", "second"))
        }
        recipe = write_recipe(folder, steps, data, models=models, sources=[source])
        return built(recipe, folder / "out")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The label of each question of the documented recipe without its drop."""
    folder = tmp_path_factory.mktemp("labels")
    job = build(folder, documented()[:-1])
    asked = dict(rows(job, "ingest").select("id", "question").iter_rows())
    return {asked[id_]: label for id_, label in rows(job, "label").select("id", "label").iter_rows()}


def test_solvers_that_agree_accuse_by_the_equality_of_the_verifiers(labels: dict[str, str]) -> None:
    assert labels["What is twice 2?"] == labels["What is twice 3?"] == "right"
    assert labels["What is twice 4?"] == labels["What is twice 5?"] == "wrong"


def test_where_no_two_answers_can_be_compared_it_abstains(labels: dict[str, str]) -> None:
    assert labels["What is twice 7?"] == "unknown"
    assert labels["What is twice 6?"] == "right", "the stronger one reaches the gold, whatever the other says"


def test_solvers_that_share_a_mistake_accuse_a_right_gold(labels: dict[str, str]) -> None:
    assert labels["What is twice 8?"] == "wrong"


def test_a_disputed_row_goes_with_both_answers(tmp_path: Path) -> None:
    job = build(tmp_path, documented())
    gone = dropped(job, "drop")
    assert gone["reason"].to_list() == ["drop:wrong_label"] * 3
    shown = sorted((json.loads(evidence) for evidence in gone["evidence"]), key=lambda one: int(one["answer"]))
    assert [(one["answer"], one["said"]) for one in shown] == [
        ("9", "8 | 8.0"),
        ("11", "10 | 10.0"),
        ("16", "17 | 17.0"),
    ]
    assert {one["label"] for one in shown} == {"wrong"}


def test_a_judge_is_a_label_check_as_well(tmp_path: Path) -> None:
    prompt = "{{ question }} Somebody answers {{ answer }}. Is that right? Reply yes or no."
    steps = [
        {"judge": {"of": "sample", "model": "vlm", "prompt": prompt, "reply": {"choice": ["yes", "no"]}}},
        {"drop": {"of": "sample", "if": {"wrong_label": "judge = 'no'"}}},
    ]
    job = build(tmp_path, steps)
    assert dropped(job, "drop")["reason"].to_list() == ["drop:wrong_label"] * 2
