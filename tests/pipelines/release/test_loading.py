"""What `load_dataset` and Croissant read of a release is what was proven, whatever its author sealed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sealing import resealed

from flows.push import pack
from pipelines.release.verify import verify_release
from pipelines.store.release_damage import Whole

TABLE = Path("rl") / "part-00000.parquet"


@pytest.fixture
def pushed(made: Path, tmp_path: Path) -> Path:
    """A copy from the Hub, whose README is under no hash."""
    copy = tmp_path / "copy"
    for name, data in pack(made, "lab/sums").files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data if isinstance(data, bytes) else data.read_bytes())
    return copy


def refusal(release: Path, whole: Whole = "whole") -> str:
    proof = verify_release(release, whole=whole)
    assert not proof.holds, proof.text()
    return next(check.words for check in proof.checks if check.name == "loading")


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


ELSEWHERE: dict[str, Callable[[str], str]] = {
    "an address": lambda card: card.replace("rl/*.parquet", "https://evil.example/rl.parquet"),
    "a folder of the Hub's client": lambda card: card.replace("rl/*.parquet", ".cache/*.parquet"),
    "another config": lambda card: card.replace("rl/*.parquet", "rollouts/*.parquet", 1),
    "splits": lambda card: card.replace("data_files: rl/*.parquet", "data_files: [{split: train, path: /etc/x}]"),
    "one more": lambda card: card.replace("configs:\n", "configs:\n- {config_name: more, data_files: rl/*.parquet}\n"),
    "a data_dir": lambda card: card.replace("data_files: rl/*", "data_dir: /etc\n  data_files: rl/*"),
    "features": lambda card: card.replace("configs:\n", "dataset_info: {config_name: rl, features: []}\nconfigs:\n"),
    "none": lambda card: card[card.index("\n---\n", 3) + 5 :],
    "no YAML": lambda card: card.replace("configs:\n", "configs: [\n"),
}


@pytest.mark.parametrize("how", ELSEWHERE)
def test_a_card_that_leads_elsewhere_is_found(release: Path, pushed: Path, how: str) -> None:
    edit(release / "README.md", ELSEWHERE[how])
    resealed(release)
    assert "README.md" in refusal(release) or how == "no YAML"
    edit(pushed / "README.md", ELSEWHERE[how])
    assert "README.md" in refusal(pushed, "pushed") or how == "no YAML"


def test_a_copy_of_the_hub_without_its_card_is_proven_but_for_that(pushed: Path) -> None:
    assert verify_release(pushed, whole="pushed").text().endswith("copy is what it was made.")
    edit(pushed / "README.md", lambda card: card.replace("license: unknown", "license: mit") + "More.\n")
    assert verify_release(pushed, whole="pushed").holds, "what is no file of a config is its owner's"
    (pushed / "README.md").unlink()
    proof = verify_release(pushed, whole="pushed")
    assert proof.holds and proof.text().endswith("copy is what it was made, as far as its files can tell.")


@pytest.mark.parametrize("url", ["https://evil.example/x.parquet", "rollouts/../../x.parquet", 7])
def test_croissant_names_tables_alone(release: Path, url: Any) -> None:
    def elsewhere(text: str) -> str:
        found = json.loads(text)
        found["distribution"][0]["contentUrl"] = url
        return json.dumps(found)

    edit(release / "croissant.json", elsewhere)
    resealed(release)
    assert "which is no table of the release" in refusal(release)


def _features(change: Callable[[dict[str, Any]], object]) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        info = json.loads(table.schema.metadata[b"huggingface"])
        change(info["info"]["features"])
        return table.replace_schema_metadata({"huggingface": json.dumps(info)})

    return changed


COLUMNS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "a text is an image": _features(lambda features: features.update(solution={"_type": "Image"})),
    "an image is a text": _features(lambda features: features.update(images={"dtype": "string", "_type": "Value"})),
    "nothing is said": lambda table: table.replace_schema_metadata(None),
    "a type that no release has": lambda table: table.append_column("more", pa.array([b"x"] * len(table))),
}


@pytest.mark.parametrize("how", COLUMNS)
def test_a_table_says_what_its_columns_are(release: Path, how: str) -> None:
    """`datasets` opens the file, or the address, that a text names which is called an image."""
    pq.write_table(COLUMNS[how](pq.read_table(release / TABLE)), release / TABLE)
    resealed(release)
    assert "what they are not" in refusal(release) or how == "a type that no release has"


def test_tables_of_a_config_have_the_same_columns(release: Path) -> None:
    pq.write_table(pq.read_table(release / "rollouts" / "part-00000.parquet"), release / "rl" / "part-00001.parquet")
    resealed(release)
    assert "rl/part-00001.parquet says of its columns what they are not" in refusal(release)
