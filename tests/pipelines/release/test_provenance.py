"""What a manifest says of the sources, the code and the libraries that made a release."""

import hashlib
import shutil
from pathlib import Path

import polars as pl
import pytest
from recipe_build import built, sums, write_recipe

from pipelines.release import provenance
from schemas.sample import SAMPLE


def test_what_was_read_has_a_name_that_order_and_place_do_not_change(tmp_path: Path) -> None:
    """The same rows from another folder, at another time, in another order: the same content; one row more: another."""
    contents = []
    for place, rows in (("here", 6), ("there", 6), ("more", 7)):
        recipe = write_recipe(tmp_path / place, ["dedup"], sums(rows)[:: -1 if place == "there" else 1])
        read = built(recipe, tmp_path / place / "out").rows("sample", ["source"])
        ((name, found, content),) = provenance.source_content(read.lazy()).rows()
        assert (name, found) == ("sums", rows)
        contents.append(content)
    assert contents[0] == contents[1] != contents[2]


def test_the_content_can_be_recomputed_by_hand() -> None:
    ids = ["b", "a", "c"]
    source = {"dataset": "d", "split": "", "row": "", "license": None, "url": None}
    table = pl.DataFrame([{"id": id_, "source": source} for id_ in ids], schema_overrides={"source": SAMPLE["source"]})
    found = provenance.source_content(table.lazy()).to_dicts()
    assert found == [{"dataset": "d", "rows": 3, "content": hashlib.sha256(b"a\nb\nc\n").hexdigest()}]


def test_code_and_libraries() -> None:
    assert len(provenance.code_hash()) == 32
    found = provenance.libraries()
    assert {"polars", "duckdb", "pillow", "torch", "transformers"} <= set(found)
    assert "vllm" not in found or found["vllm"]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_where_there_is_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    provenance.commit.cache_clear()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() is None, "an installed package has none"
    (tmp_path / ".git").mkdir()
    provenance.commit.cache_clear()
    assert provenance.commit() is None, "and a broken checkout stops nobody"
    provenance.commit.cache_clear()
