"""Exports for EasyR1 and for OpenRLHF-M and LMM-R1, which are no packages: their loaders' steps and checks, restated."""

import base64
import importlib.util
import io
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from sealing import resealed

from filters.verify.decoded import reply_after, reply_in, without_ends
from generators.embedded import reference_folder
from pipelines.export.catalogue import exporter_of
from pipelines.export.easyr1 import format_prompt
from pipelines.export.image_tokens import escape
from pipelines.export.rows import open_release
from pipelines.export.write import export

Stored = Callable[[Path, str], list[dict[str, Any]]]


def made(release: Path, trainer: str, target: Path) -> Path:
    export(open_release(str(release), Path()), exporter_of(trainer), target)
    return target


def module(path: Path) -> Any:
    """As both trainers load a reward: from its file, under a name that is in no `sys.modules`."""
    spec = importlib.util.spec_from_file_location("custom_reward_fn", path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


def easyr1_messages(export: Path, row: dict[str, Any], sheet: str = "train") -> list[dict[str, Any]]:
    """hiyouga/EasyR1 b44b311, verl/utils/dataset.py, `RLHFDataset._build_messages`."""
    from jinja2 import Template

    template = Template((export / f"{sheet}.jinja").read_text(encoding="utf-8").strip())
    prompt = template.render(content=row["problem"])
    if "images" not in row:
        return [{"role": "user", "content": prompt}]
    content: list[dict[str, Any]] = []
    for i, text in enumerate(prompt.split("<image>")):
        if i != 0:
            content.append({"type": "image"})
        if text:
            content.append({"type": "text", "text": text})
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_easyr1_reads_question_images_and_gold(
    shapes: Path, stored: Stored, processor: Any, sheet: str, split: str, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from PIL.Image import Image

    target = made(shapes, "easyr1", tmp_path / "out")
    assert all(
        path.suffix == ".parquet" for path in (target / sheet).iterdir()
    )  # it takes the type from any file there
    data = load_dataset("parquet", data_dir=str(target / sheet), split="train", cache_dir=str(tmp_path / "cache"))
    reward = module(target / "reward.py")
    assert (reward.REWARD_NAME, reward.REWARD_TYPE) == ("curate", "batch")
    for row, source in zip(data, stored(shapes, split), strict=True):
        messages = easyr1_messages(target, row, sheet)
        text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        assert all(isinstance(image, Image) for image in row["images"])  # `process_image` takes PIL, bytes or a path
        processor(row["images"] or None, [text], add_special_tokens=False, return_tensors="pt")
        parts = messages[0]["content"]
        assert [p["type"] for p in parts].count("image") == len(source["images"])
        assert "".join(p.get("text", "") for p in parts) == escape(source["prompt"][0]["content"])
        assert row["answer"] == source["solution"]
        # verl/workers/reward/function.py: `ground_truth` is the column that `answer_key` names; nothing else arrives.
        raw = json.loads(source["answer"])["raw"]
        asked = [
            {"response": f"<think>…</think>\n<answer>\\boxed{{{x}}}</answer>", "ground_truth": row["ground_truth"]}
            for x in (raw, "17")
        ]
        assert [score["overall"] for score in reward.compute_score(asked)] == [1.0, 0.0]


def test_easyr1_shows_a_system_turn_in_the_format_prompt(make_release: Callable[..., Path], tmp_path: Path) -> None:
    system = 'Say {{ nothing }} of "{% raw %}",\nthen answer: \\boxed{½} <image>'
    target = made(make_release(system=system), "easyr1", tmp_path / "out")
    row = pq.read_table(target / "train").to_pylist()[0]
    parts = easyr1_messages(target, row)[0]["content"]
    assert parts[0]["text"] == escape(system) + "\n\n" and parts[1] == {"type": "image"}
    assert format_prompt(None) == "{{ content }}\n"


def test_a_second_system_turn_is_dropped_for_easyr1_alone(make_release: Callable[..., Path], tmp_path: Path) -> None:
    release = make_release(system="Think.")
    path = release / "rl" / "part-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[2]["prompt"][0]["content"] = "Do not think."
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    resealed(release)
    target = made(release, "easyr1", tmp_path / "easyr1")
    assert [(r["id"], r["sheet"], r["reason"]) for r in pq.read_table(target / "dropped.parquet").to_pylist()] == [
        (rows[2]["id"], "train", "export:other_system")
    ]
    assert pq.read_table(target / "train").num_rows == len(rows) - 1
    assert not pq.read_table(made(release, "verl", tmp_path / "verl") / "dropped.parquet").num_rows


@pytest.mark.parametrize(("first", "kept"), [(["b", "a", "b"], "b"), (["b", "a"], "a"), (["a", "b"], "a")])
def test_the_format_prompt_of_easyr1_is_that_of_most_rows(
    make_release: Callable[..., Path], first: list[str], kept: str, tmp_path: Path
) -> None:
    """Whatever the seed of hashes; and rows held out that were asked otherwise are not validated on."""
    release = make_release(
        [(f"What is {i} + 1?", 0, "number", str(i + 1), [], "") for i in range(len(first))], system="?"
    )
    path = release / "rl" / "part-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row, system in zip(rows, first, strict=True):
        row["prompt"][0]["content"] = system
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    resealed(release)
    target = made(release, "easyr1", tmp_path / "out")
    assert {name: (target / f"{name}.jinja").read_text("utf-8")[:6] for name in ("train", "val")} == {
        "train": f'{{{{ "{kept}"', "val": '{{ "?"'
    }  # fmt: skip
    assert pq.read_table(target / "train").num_rows == first.count(kept)
    config = yaml.safe_load((target / "train.yaml").read_text("utf-8"))
    assert config["data"]["format_prompt"] == "./train.jinja" and config["data"]["val_files"].endswith("/train")
    assert config["trainer"]["val_freq"] == -1


@pytest.mark.parametrize("trainer", ["easyr1", "verl", "ms_swift", "openrlhf", "openrlhf_m", "inspect", "verifiers"])
def test_a_row_for_a_judge_is_dropped_where_it_would_score_zero_for_ever(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release(
        [("Describe it.", 1, "open", "A shape.", [], "A shape."), ("1 + 1?", 0, "number", "2", [], "2")]
    )
    dropped = pq.read_table(made(release, trainer, tmp_path / "out") / "dropped.parquet").to_pylist()
    assert len(dropped) >= 2 and {row["reason"] for row in dropped} == {"export:needs_judge"}
    assert json.loads(dropped[0]["evidence"]) == {"verifier": "open"}
    assert not pq.read_table(made(release, "trl", tmp_path / "trl") / "dropped.parquet").num_rows


def test_a_verifier_that_there_is_not_is_dropped_where_a_reward_could_not_judge_by_it(
    make_release: Callable[..., Path], tmp_path: Path
) -> None:
    """A release that another version made may name one."""
    release = make_release()
    path = release / "rl" / "part-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["verifier"] = "their_kind:strict"
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    resealed(release)
    export(open_release(str(release), Path()), exporter_of("verl"), tmp_path / "out")
    [dropped] = pq.read_table(tmp_path / "out" / "dropped.parquet").to_pylist()
    assert (dropped["id"], dropped["reason"]) == (rows[0]["id"], "export:unknown_verifier")


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_openrlhf_reads_question_images_and_gold(
    shapes: Path, stored: Stored, processor: Any, sheet: str, split: str, tmp_path: Path
) -> None:
    """TideDra/lmm-r1 f917f18, openrlhf/utils/utils.py `blending_datasets`, datasets/prompts_dataset.py `preprocess_data`,
    models/lmm_kits/base/data_processor.py `_format_messages`; `qwen_vl_utils` decodes what follows
    `base64,` in an address that begins with `data:image`.
    """
    from datasets import load_dataset
    from PIL import Image

    target = made(shapes, "openrlhf_m", tmp_path / "out")
    data = load_dataset("json", data_files=str(target / f"{sheet}.jsonl"), cache_dir=str(tmp_path / "cache"))["train"]
    reward = module(target / "reward_func.py")
    for row, source in zip(data, stored(shapes, split), strict=True):
        prompt, label = row["message"], row["ground_truth"]
        assert isinstance(prompt, str) and isinstance(label, str)
        messages = json.loads(prompt)
        parts = messages[-1]["content"]
        shown = [part["image"] for part in parts if part["type"] == "image"]
        assert all(address.startswith("data:image") for address in shown)
        coded = [base64.b64decode(address.split("base64,", 1)[1]) for address in shown]
        images = [Image.open(io.BytesIO(data)).convert("RGB") for data in coded]
        assert [bytes_of(i) for i in images] == [
            bytes_of(Image.open(io.BytesIO(i["bytes"])).convert("RGB")) for i in source["images"]
        ]
        assert parts[-1]["text"] == escape(source["prompt"][0]["content"])
        assert row["answer"] == source["solution"]
        text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        processor(text=[text], images=images or None)
        raw = json.loads(source["answer"])["raw"]
        said = [f"<think>…</think>\n<answer>\\boxed{{{x}}}</answer>" for x in (raw, "17")]
        queries = [
            f"<|im_start|>user\n{parts[-1]['text']}<|im_end|>\n<|im_start|>assistant\n{x}<|im_end|>" for x in said
        ]
        assert reward.reward_func(queries, [prompt] * 2, [label] * 2).tolist() == [1.0, 0.0]


def bytes_of(image: Any) -> bytes:
    found: bytes = image.tobytes()
    return found


def test_openrlhf_reward_works_where_ray_sends_it(shapes: Path, tmp_path: Path) -> None:
    """Ray pickles `reward_func` by value, as its module is in no `sys.modules`; the worker does not know its folder."""
    target = made(shapes, "openrlhf_m", tmp_path / "out")
    send = (
        "import sys, cloudpickle, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('reward_func', sys.argv[1])\n"
        "loaded = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(loaded)\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(loaded.reward_func))\n"
    )
    receive = (
        "import json, pickle, sys\n"
        "reward_func = pickle.load(sys.stdin.buffer)\n"
        "print(reward_func(*json.loads(sys.argv[1])).tolist())\n"
    )
    label = json.loads((target / "train.jsonl").read_text("utf-8").splitlines()[1])["ground_truth"]
    said = [f"<think>6 · 7</think>\n<answer>\\boxed{{{x}}}</answer>" for x in (42, 17)]
    asked = json.dumps([said, ["", ""], [label, label]])
    sent = subprocess.run(
        [sys.executable, "-c", send, str(target / "reward_func.py")], capture_output=True, check=True, cwd=tmp_path
    )
    got = subprocess.run(
        [sys.executable, "-c", receive, asked], input=sent.stdout, capture_output=True, check=True, cwd=tmp_path
    )
    assert json.loads(got.stdout) == [1.0, 0.0]


def test_openrlhf_reward_serves_what_their_client_asks(shapes: Path, tmp_path: Path) -> None:
    """OpenRLHF/OpenRLHF-M 2bf6337, openrlhf/utils/remote_rm_utils.py `request_api_wrapper` and `remote_rm_fn`."""
    target = made(shapes, "openrlhf_m", tmp_path / "out")
    label = json.loads((target / "train.jsonl").read_text().splitlines()[1])["ground_truth"]
    command = [sys.executable, str(target / "reward_func.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            query = "<|im_start|>assistant\n<think>6 · 7</think>\n<answer>\\boxed{%s}</answer><|im_end|>"
            data = {"query": [query % 42, query % 17], "prompts": ["", ""], "labels": [label, label]}
            request = urllib.request.Request(url, json.dumps(data).encode(), {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
            assert found["rewards"] == found["scores"] == [1.0, 0.0]
            assert found["extra_logs"]["format"] == [1.0, 1.0]
        finally:
            server.terminate()


def test_a_reply_is_found_in_a_decoded_conversation() -> None:
    told = "<|im_start|>user\nSay <|im_end|>\n<|im_start|>assistant\nYes.<|im_end|><|endoftext|><|endoftext|>"
    assert reply_in(told) == "Yes."
    assert reply_in("<start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>") == "A"
    assert reply_in("<|assistant|>\nA<|end|>") == "A"
    assert reply_in("no marks") == "no marks"
    assert reply_in("<|im_start|>assistant\nA <|im_start|>assistant\nB") == "A <|im_start|>assistant\nB"


def test_a_reply_is_what_follows_its_prompt_whatever_its_template() -> None:
    prompt = "<|system|>Think.</s>\n<|user|><image>What?</s>\n<|assistant|>"
    query = prompt.replace("<image>", "<patch>" * 9) + "It is <|im_start|>assistant\nB.</s></s>"
    assert reply_after(query, prompt) == "It is <|im_start|>assistant\nB."
    assert reply_after("<|im_start|>assistant\nA<|im_end|>", "no such prompt at all") == "A"
    assert [reply_after(x, y) for x, y in ((None, prompt), ("A", None), ("A", ""))] == [None, "A", "A"]
    assert without_ends("<s>A</s> B </s><pad> ") == "<s>A</s> B" and without_ends(3) == 3
