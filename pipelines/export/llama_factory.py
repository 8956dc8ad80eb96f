"""LLaMA-Factory: ShareGPT conversations with `<image>` marks and image files, and the `dataset_info.json` that names them.

Checked against llamafactory 0.9.5. `data/mm_plugin.py` `_validate_messages` counts marks over all turns, so a reply that
mentions one would stop the training (LlamaFactory issue 8440); `data/converter.py` joins paths to `media_dir`, which is the
dataset's folder by default, and drops rows whose turns do not alternate. The rows are parquet, not JSON: `datasets` infers
the types of a JSON file from its first megabytes, and a column of `[]` that is followed by paths fails. No reward: it
trains on replies and on pairs.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.export.image_tokens import check_marks, escape, marked_question
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exported, Sheet, Turns, reply, turns
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


def _assistant(row: Row, name: str) -> dict[str, str]:
    return {"role": "assistant", "content": escape(reply(row, name))}


def _asked(row: Row) -> Turns:
    return turns(row.system and escape(row.system), marked_question(row))


def _checked(row: Row, messages: Turns, draft: Draft, **more: Any) -> dict[str, Any]:
    check_marks(len(row.images), *(turn["content"] for turn in messages))
    paths = [draft.place(image) for image in row.images]
    return {"id": row.columns["id"], "messages": messages, **more, "images": paths}


def sft(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation with its reply."""
    return _checked(row, [*_asked(row), _assistant(row, "response")], draft)


def dpo(row: Row, draft: Draft) -> dict[str, Any]:
    """A question with a better and a worse reply."""
    pair = {name: _assistant(row, name) for name in ("chosen", "rejected")}
    return _checked(row, _asked(row), draft, **pair)


class LlamaFactory:
    """https://github.com/hiyouga/LLaMA-Factory"""

    name = "llama_factory"
    sheets = (
        Sheet("sft", "sft", sft, {"id": pa.string(), "messages": TURNS, "images": _PATHS}),
        Sheet(
            "dpo",
            "preference",
            dpo,
            {"id": pa.string(), "messages": TURNS, "chosen": _TURN, "rejected": _TURN, "images": _PATHS},
        ),
    )
    keeps_order = "LLaMA-Factory keeps it with `disable_shuffling: true`."
    usage = """
```yaml
dataset_dir: {home}
dataset: sft      # stage: sft
# dataset: dpo    # stage: dpo
```
"""

    def finish(self, folder: Path, exported: Exported) -> None:
        """`dataset_info.json`."""
        info: dict[str, Any] = {}
        for name in exported.rows:
            kind = name.split("_", 1)[0]  # `sft_cold` is laid out as `sft` is
            columns = {k: v for k, v in _COLUMNS[kind].items() if exported.release.has_images or k != "images"}
            info[name] = {"file_name": name, "formatting": "sharegpt", "columns": columns, "tags": _TAGS}
            if kind == "dpo":
                info[name]["ranking"] = True
        (folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
