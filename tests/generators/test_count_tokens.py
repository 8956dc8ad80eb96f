"""Tokens of texts by a named tokenizer: as many as it gives, null for null, and long rows that go."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from step_types import TYPES, pipeline

from generators.count_tokens import BATCH, STEP, CountTokensConfig, TokenizerConfig, count_tokens, identity
from generators.embedded import reference_folder
from schemas.errors import ConfigError
from schemas.step import Tables

VLM = TokenizerConfig(model="reference-vlm")


def counts(rows: dict[str, Any], **section: Any) -> list[int | None]:
    ids = pl.Series("id", [str(i) for i in range(len(next(iter(rows.values()))))], dtype=pl.String)
    table = pl.DataFrame({"id": ids, **rows})
    config = CountTokensConfig.model_validate({"tokenizer": "reference-vlm", **section})
    context: Any = SimpleNamespace(name=config.gives)
    out = STEP.body(Tables(table, {}, pl.DataFrame()), config, context)
    assert out.rows is not None and out.rows.schema == {"id": pl.String(), config.gives: pl.Int32()}
    return out.rows[config.gives].to_list()


def test_the_count_is_the_tokenizers_own() -> None:
    """Read off its file by the library that trainers read it with; `<think>` is one token of this model, "think" is not."""
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(reference_folder() / "tokenizer.json"))
    texts = ["a red circle", "", "<think>", "think think think", "红色的圆 é 🟥", "x" * 900]
    assert count_tokens(texts, VLM) == [len(own.encode(text, add_special_tokens=False).ids) for text in texts]
    assert count_tokens(["", "<think>"], VLM) == [0, 1]
    assert count_tokens(["red"] * (2 * BATCH + 1), VLM) == count_tokens(["red"], VLM) * (2 * BATCH + 1)


def test_several_columns_add_up_and_null_is_not_zero() -> None:
    one, two = count_tokens(["a red circle", "a star"], VLM)
    rows: dict[str, list[Any]] = {"question": ["a red circle", "a star", None], "text": ["a star", None, "a star"]}
    assert counts(rows, column=["question", "text"]) == [one + two, None, None]
    assert counts(rows, **{"as": "trained"}) == [two, None, two]
    assert counts({"text": []}) == []
    assert counts({"text": pl.Series([None, None], dtype=pl.String)}) == [None, None]


def test_it_may_replace_the_count_of_the_server_and_decide_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    from generators.presets import distill

    for step in (STEP, distill.STEP):
        monkeypatch.setitem(TYPES, step.name, step)
    for name in ("tokens", "trained"):
        counted = ("count_tokens", {"as": name, "of": "distill", "tokenizer": "reference-vlm"})
        made = pipeline(("distill", {"model": "m"}), counted, ("cut", {"of": "trace", "when": f"{name} > 4096"}))
        assert (name, name) in {(c.step, c.name) for c in made.step("cut").read}


def test_another_tokenizer_is_another_identity(tmp_path: Path) -> None:
    folder = shutil.copytree(reference_folder(), tmp_path / "vlm", ignore=shutil.ignore_patterns("*.safetensors"))
    same = TokenizerConfig(model=str(folder))
    before = identity(same)
    assert before == identity(VLM) and count_tokens(["a red circle"], same) == count_tokens(["a red circle"], VLM)
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["added_tokens"] = settings["added_tokens"][:-1]
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    assert identity(same) != before


def test_a_name_that_is_no_tokenizer_is_a_sentence(tmp_path: Path) -> None:
    config = CountTokensConfig.model_validate({"tokenizer": "reference-vln"})
    with pytest.raises(ConfigError, match=r"there is no tokenizer 'reference-vln'.*Did you mean 'reference-vlm'"):
        STEP.check(config, None)
    with pytest.raises(ConfigError, match="has no tokenizer that can be loaded"):
        count_tokens(["a"], TokenizerConfig(model=str(tmp_path)))
