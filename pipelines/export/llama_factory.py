"""LLaMA-Factory: ShareGPT conversations with `<image>` marks and image files, and the `dataset_info.json` that names them.

Checked against llamafactory 0.9.5. `data/mm_plugin.py` `_validate_messages` counts marks over all turns, so a reply that
mentions one would stop the training (LlamaFactory issue 8440); `data/converter.py` joins paths to `media_dir`, which is the
dataset's folder by default, and drops rows whose turns do not alternate. The rows are parquet, not JSON: `datasets` infers
the types of a JSON file from its first megabytes, and a column of `[]` that is followed by paths fails. No reward: it
trains on replies and on pairs.
"""

import json
from typing import Any

import pyarrow as pa

from pipelines.export.conversation import marked, spoken
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Exporter, Sheet
from pipelines.export.starting import as_yaml, epoch
from pipelines.release.parquet_shards import TURNS

_TURN = pa.struct({"role": pa.string(), "content": pa.string()})
_PATHS = pa.list_(pa.string())
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
_COLUMNS = {
    "sft": {"messages": "messages", "images": "images"},
    "dpo": {"messages": "messages", "chosen": "chosen", "rejected": "rejected", "images": "images"},
}


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return {"messages": marked(row, "response"), "images": [draft.place(image) for image in row.images]}


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A question with a better and a worse reply."""
    pair = {name: spoken(row, name) for name in ("chosen", "rejected")}
    return {"messages": marked(row), **pair, "images": [draft.place(image) for image in row.images]}


def _index(exported: Exported) -> dict[str, str]:
    """`dataset_info.json`."""
    info: dict[str, Any] = {}
    for name, sheet in exported.sheets.items():
        columns = {k: v for k, v in _COLUMNS[sheet.base].items() if exported.release.has_images or k != "images"}
        info[name] = {"file_name": name, "formatting": "sharegpt", "columns": columns, "tags": _TAGS}
        if sheet.base == "dpo":
            info[name]["ranking"] = True
    return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}


def _settings(sheet: str, exported: Exported) -> dict[str, Any]:
    kind = exported.sheets[sheet].base
    model = {
        "model_name_or_path": exported.model,
        "template": "qwen2_vl" if exported.release.has_images else "qwen",
        "finetuning_type": "lora",
        "lora_target": "all",
    }
    data = {"stage": kind, "do_train": True, "dataset_dir": ".", "dataset": sheet, "cutoff_len": exported.room(sheet)}
    beta = {"pref_beta": 0.1, "pref_loss": "sigmoid"} if kind == "dpo" else {}
    training = {"output_dir": f"runs/{sheet}", "learning_rate": 5e-6 if kind == "dpo" else 1e-4}
    training |= epoch(exported.rows[sheet])
    return model | data | beta | training | {"lr_scheduler_type": "cosine", "bf16": True, "report_to": "none"}


LLAMA_FACTORY = Exporter(
    name="llama_factory",
    project="https://github.com/hiyouga/LLaMA-Factory",
    sheets=(
        Sheet("sft", "sft", sft, {"messages": TURNS, "images": _PATHS}),
        Sheet("dpo", "preference", dpo, {"messages": TURNS, "chosen": _TURN, "rejected": _TURN, "images": _PATHS}),
    ),
    files=_index,
    starts=tuple(as_yaml(sheet, "llamafactory-cli train {file}", _settings, "cutoff_len") for sheet in ("sft", "dpo")),
    keeps_order="LLaMA-Factory keeps it with `disable_shuffling: true`.",
    usage="`template` is that of the model. From another folder: `dataset_dir: FOLDER`.",
)
