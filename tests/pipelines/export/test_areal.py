"""AReaL as of May 2026: what its workflows make of our dataset's rows, restated, and its way of asking for rewards."""

import ast
import contextlib
import json
import re
import runpy
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from reward_calls import stand_ins
from sealing import resealed
from trainer_reading import answers, exported, gold_in, imported, rendered, rows_of, seen, shown, split_marks

from generators.embedded import reference_folder
from pipelines.export.image_tokens import escape


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


def vision_row(row: dict[str, Any], processor: Any) -> tuple[str, list[Any]]:
    """inclusionAI/AReaL 4aef98d, areal/workflow/vision_rlvr.py `arun_episode`; engine/vllm_remote.py fills the addresses."""
    made = processor(images=row["images"], text=row["messages"], padding=False, return_tensors="pt")
    assert "pixel_values" in made
    left = iter(row["images"])
    for turn in row["messages_chat"]:
        for part in turn["content"]:
            assert None not in part.values()
            if part["type"] == "image_url":
                part["image"] = next(left)
    assert next(left, None) is None
    return row["messages"], [part.get("image", part.get("text")) for part in row["messages_chat"][-1]["content"]]


def test_its_workflows_show_the_question_the_images_and_the_gold(kinds: Path, processor: Any, tmp_path: Path) -> None:
    home = exported(kinds, "areal", tmp_path / "out")
    sees = any(row["images"] for row in rows_of(kinds, "rl"))
    reward_fn = imported(home / "curate_reward.py").reward_fn
    data = imported(home / "curate_dataset.py").rows(str(home / "train"), processor if sees else None)
    source = {row["id"]: row for row in rows_of(kinds, "rl")}
    for i in range(len(data)):
        row, stored = data[i], source.pop(data[i]["id"])
        if sees:
            text, sent = vision_row(row, processor)
            turns = rendered(text)
            assert seen(split_marks(turns["user"], row["images"])) == seen(sent) == shown(stored)
        else:  # areal/workflow/rlvr.py renders `messages` itself
            turns = rendered(processor.apply_chat_template(row["messages"], tokenize=False))
            assert [turns["user"]] == shown(stored)
        assert turns["system"] == escape(stored["prompt"][0]["content"]) and row["answer"] == gold_in(stored)
        facts = {name: value for name, value in row.items() if name not in ("images", "messages", "messages_chat")}
        said = [partial(reward_fn, "…", f"{reply}<|im_end|>", [1], [2]) for reply in answers(stored)]
        assert [one(**facts) for one in said] == [1.0, 0.0]
    assert all(not row["images"] for row in source.values())  # those are dropped, with their reason
    dropped = pq.read_table(home / "dropped.parquet").to_pylist()
    assert {(row["id"], row["reason"]) for row in dropped if row["sheet"] == "train"} == {
        (id_, "export:no_image") for id_ in source
    }


def test_the_reward_works_in_the_process_of_a_pool(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """areal/api/reward_api.py `AsyncRewardWrapper`: a function is sent by the name of its module, which the path finds."""
    home = exported(shapes, "areal", tmp_path / "out")
    monkeypatch.syspath_prepend(str(home))
    import importlib

    module = importlib.import_module("curate_reward")
    row = rows_of(home, "train")[0]
    stored = next(one for one in rows_of(shapes, "rl") if one["id"] == row["id"])
    try:
        with ProcessPoolExecutor(1) as pool:
            calls = [
                partial(module.reward_fn, "", reply, [], [], ground_truth=row["ground_truth"])
                for reply in answers(stored)
            ]
            assert [pool.submit(call).result(60) for call in calls] == [1.0, 0.0]
    finally:
        del sys.modules["curate_reward"]


def test_what_starts_it_says_what_kind_of_model_it_is_for(make_release: Callable[..., Path], tmp_path: Path) -> None:
    home = exported(make_release([("1 + 1?", 0, "number", "2", [], "2")]), "areal", tmp_path / "out")
    main = (home / "curate_main.py").read_text("utf-8")
    assert "SEES = False" in main and ast.parse(main) and "gsm8k_grpo.yaml" in (home / "train.sh").read_text("utf-8")
    [row] = rows_of(home, "train")
    assert row["messages"] == [{"role": "user", "content": "1 + 1?"}]
    assert json.loads(row["ground_truth"])["answer"]


@pytest.mark.parametrize("held", [True, False])
def test_it_trains_on_the_rows_that_its_script_names(
    make_release: Callable[..., Path], held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """areal/api/cli_args.py `load_expr_config` puts `name.name=value` of the command line into the config."""
    release = make_release([("1 + 1?", 0, "number", "2", [], "2")])
    for config in ("rl",) if held else ("rl", "holdout"):
        (release / config).rename(release / {"rl": "hard", "holdout": "other"}[config])
    resealed(release)
    home = exported(release, "areal", tmp_path / "out")
    script = (home / "train_hard.sh").read_text("utf-8").replace("$HERE", str(home))
    given = dict(re.findall(r'(train_dataset|valid_dataset)\.path="(.+)"', script))
    config = SimpleNamespace(tokenizer_path="", gconfig=SimpleNamespace(new=dict))
    vars(config).update({name: SimpleNamespace(path=path) for name, path in given.items()})
    trained: dict[str, Any] = {}

    class Trainer(contextlib.nullcontext[Any]):
        def __init__(self, config: Any, **datasets: Any) -> None:
            super().__init__(SimpleNamespace(train=lambda **how: trained.update(datasets)))

    monkeypatch.syspath_prepend(str(home))
    with stand_ins(
        *("areal.api.cli_args", "areal.utils.hf_utils"),
        areal={"PPOTrainer": Trainer},
        areal__api__cli_args={"load_expr_config": lambda argv, kind: (config, None)},
        areal__utils__hf_utils={"load_hf_processor_and_tokenizer": lambda path: (None, None)},
    ):
        runpy.run_path(str(home / "curate_main.py"), run_name="__main__")
    sys.modules.pop("curate_dataset")
    found = {name: data["id"][:] for name, data in trained.items()}
    wanted = {"train_dataset": "hard", "valid_dataset": "holdout" if held else "hard"}
    assert found == {name: [row["id"] for row in rows_of(release, split)] for name, split in wanted.items()}
