"""What chat servers reply, from the wire to the release: traces that are thoughts, rewritten ones, rows with pictures."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipelines.build import run_build
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.store.workspace import Workspace

Message = dict[str, Any]
Serve = Callable[[Callable[[str], Message]], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a chat server on this machine that answers each prompt (its messages as JSON) with one message."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    servers = []

    def start(answer: Callable[[str], Message]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send({"object": "list", "data": [{"id": "m", "object": "model"}]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = {"role": "assistant", **answer(json.dumps(asked["messages"], ensure_ascii=False))}
                finish = message.pop("finish_reason", "stop")
                choices = [
                    {"index": i, "message": message, "finish_reason": finish} for i in range(asked.get("n") or 1)
                ]
                usage = {"prompt_tokens": 5, "completion_tokens": 30, "total_tokens": 35}
                head = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
                self.send({**head, "choices": choices, "usage": usage})

            def send(self, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make(folder: Path, url: str, rows: list[Message], sections: str) -> Build:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "r.yaml").write_text(
        f"name: r\nmodels:\n  m: {{model: m, engine: openai, base_urls: ['{url}']}}\n"
        f"sources:\n  - {{type: jsonl, name: rows, path: {folder / 'rows.jsonl'}}}\n"
        f"split: {{sft: 1.0, rl: 0.0, holdout: 0.0}}\n{sections}"
        + ("" if "release:" in sections else "release: {allow_empty: [sft, rl]}\n")
    )
    return Build(load_recipe(str(folder / "r.yaml")), Workspace(folder / "out"))


def sums(number: int) -> list[Message]:
    return [
        {"question": f"What is {i} plus {i}?", "answer": str(2 * i), "kind": "number"} for i in range(1, number + 1)
    ]


def test_a_model_rewrites_the_traces_that_leak(tmp_path: Path, serve: Serve) -> None:
    """The reply to a rewrite has a `reasoning` of its own (here none), which is not the trace's."""

    def answer(prompt: str) -> Message:
        if "Rewrite it" in prompt:
            return {"content": "The image shows two. So the answer is 2."}
        if "What is 1" in prompt:
            return {"content": "The caption says two. So the answer is 2."}
        return {"content": "Two and two are four. So the answer is 4."}

    build = make(tmp_path, serve(answer), sums(2), "distill: {model: m}\nrewrite: {model: m}\n")
    told = {r["stage"]: r for r in run_build(build)}
    assert told["rewrite"]["rows_in"] == told["rewrite"]["kept"] == 1
    mended = road(build).table("rewrite").collect()
    assert mended["reasoning"].to_list() == ["The image shows two. So the answer is 2."]
    sft = pl.read_parquet(next((tmp_path / "out" / "releases" / "r").glob("v*")) / "sft" / "*.parquet")
    texts = sft["completion"].list.first().struct.field("content")
    assert texts.str.contains("caption").sum() == 0
    assert texts.str.contains("The image shows two.", literal=True).sum() == 1


FORMS = {
    "think and a box": ("<think>\nTwo and two make four.\n</think>\n\n\\boxed{4}", None),
    "wrong": ("<think>Two and two. Maybe the answer is 4. Hmm, no.</think>\n\nFive.\n\n\\boxed{5}", None),
    "a plan in the thought": ("<think>First I thought the answer is 5. But two and two.</think>\n\n\\boxed{4}", None),
    "a field and a box": ("\\boxed{4}", "I see two and two, so I add them up."),
    "a field and a sentence": ("The answer is 4.", "I see two and two, so I add them up."),
    "all in the field": (None, "I see two and two, so I add them up. The answer is 4."),
    "think and a sentence": ("<think>I see two and two.</think>\n\nThe answer is \\boxed{4}.", None),
    "the prompt opened it": ("I see two and two.\n</think>\n\nSo the answer is 4.", None),
    "bold": ("<think>I see two and two.</think>\n\n**Answer:** 4", None),
    "think and answer": ("<think>I see two and two.</think>\n<answer>4</answer>", None),
    "words between": ("<think>I see two and two.</think>\nTherefore:\n<answer>4</answer>", None),
    "plain": ("I see two and two, so the answer is 4.", None),
    "Kimi": ("◁think▷I see two and two.◁/think▷\n\n**Final Answer**\n4", None),
    "GLM": ("<think>I see two and two.</think><answer><|begin_of_box|>4<|end_of_box|></answer>", None),
    "a last sentence": ("<think>I see two and two.</think>\n\nTwo on each side. So there are 4.", None),
    "no thought": ("The answer is 4.", None),
    "a thought without end": ("<think>I see two and two. The answer is 4.", None),
}
NOT_KEPT = {"wrong": "verify:wrong", "no thought": "verify:no_thought", "a thought without end": "verify:no_answer"}


@pytest.mark.parametrize("tags", ["think_answer_boxed", "think_tail_boxed", "think_answer", "think_tail"])
def test_replies_of_reasoners_become_traces(tmp_path: Path, serve: Serve, tags: str) -> None:
    rows = [{"question": f"{name}: how many?", "answer": "4", "kind": "number"} for name in FORMS]

    def answer(prompt: str) -> Message:
        text, field = next(form for name, form in FORMS.items() if f"{name}: how" in prompt)
        return {"content": text} | ({"reasoning_content": field} if field else {})

    # The reward of TRL is no judge of a trace's layout; it is tried on golds elsewhere.
    build = make(
        tmp_path, serve(answer), rows, f"distill: {{model: m}}\nverify: {{tags: {tags}}}\nrelease: {{trainer: null}}\n"
    )
    told = {r["stage"]: r for r in run_build(build)}
    assert not told["quality"]["dropped"], "what a thought takes back contradicts nothing"
    plan = road(build)
    names = {row["id"]: row["question"].partition(":")[0] for row in plan.table("ingest").collect().to_dicts()}
    lost = plan.table("verify", "dropped").collect()
    samples = lost["evidence"].str.json_path_match("$.sample_id")
    assert {names[id_]: reason for id_, reason in zip(samples, lost["reason"], strict=True)} == NOT_KEPT
    traces = plan.table("verify").collect()
    assert {names[id_] for id_ in traces["sample_id"]} == set(FORMS) - set(NOT_KEPT)
    assert traces["reasoning"].str.contains("wo and two").all(), "the thought is the thought"
    for text in traces["text"]:
        thought = text.partition("<think>")[2].partition("</think>")[0]
        assert "wo and two" in thought
        assert text.count("<think>") == text.count("</think>") == 1


def pictured(folder: Path, plain: int = 0) -> list[Message]:
    """Two rows with an image of their own, and `plain` without."""
    rows = []
    for color in ("red", "blue"):
        path = folder / f"{color}.png"
        Image.new("RGB", (32, 32), color).save(path)
        rows.append({"image": str(path), "question": f"Which color? ({color[0]})", "answer": color, "kind": "text"})
    return rows + sums(plain)


def test_a_teacher_without_captions_is_shown_the_images(tmp_path: Path, serve: Serve) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> Message:
        asked.append(prompt)
        return {"content": f"<think>It is all of one color.</think>\n{'red' if '(r)' in prompt else 'blue'}"}

    build = make(tmp_path, serve(answer), pictured(tmp_path), "distill: {model: m}\n")
    told = {r["stage"]: r for r in run_build(build)}
    assert (told["distill"]["rows_in"], told["verify"]["kept"]) == (2, 2)
    assert [prompt.count('"image_url"') > 0 for prompt in asked] == [True, True]
    assert not any("Description" in prompt for prompt in asked)


def test_no_row_is_passed_over_in_silence(tmp_path: Path, serve: Serve) -> None:
    """A captioner gets no row without an image, and a teacher that sees nothing none with an image but no caption."""

    def answer(prompt: str) -> Message:
        if "Describe" in prompt:
            return {"content": "A red square." if "red" in prompt else ""}
        return {"content": "Red and red. So the answer is red."}

    captioned = make(tmp_path, serve(answer), pictured(tmp_path, plain=3), "caption: {model: m}\ndistill: {model: m}\n")
    told = {r["stage"]: r for r in run_build(captioned)}
    assert told["caption"]["rows_in"] == 5
    assert told["caption"]["dropped"] == {"caption:no_media": 3, "caption:empty": 2}
    assert told["distill"]["rows_in"] == 5
    assert told["distill"]["dropped"] == {"distill:no_caption": 2}
    dropped = road(captioned).table("distill", "dropped").collect()
    assert dropped["evidence"].str.json_path_match("$.sample_id").to_list() == dropped["id"].to_list()
    blind = make(tmp_path, serve(answer), pictured(tmp_path, plain=1), "distill: {model: m, sees: nothing}\n")
    told = {r["stage"]: r for r in run_build(blind)}
    assert told["distill"]["dropped"] == {"distill:no_caption": 2}
    assert told["distill"]["rows_in"] == 3


@pytest.mark.parametrize(("cut", "told"), [(1, 0), (2, 1)])
def test_a_stage_tells_that_answers_were_cut_off(tmp_path: Path, serve: Serve, cut: int, told: int) -> None:
    """From a fifth of the answers on; also where they were all in the log already."""

    def answer(prompt: str) -> Message:
        short = any(f"What is {i} plus" in prompt for i in range(1, cut + 1))
        return {"content": "Hm. So the answer is 2.", "finish_reason": "length" if short else "stop"}

    sections = "distill: {model: m}\nrollouts: {model: m, n: 2, tags: plain}\n"
    build = make(tmp_path, serve(answer), sums(10), sections)
    for _ in range(2):
        records = {r["stage"]: r for r in run_build(build)}
        warning = "2 of 10 answers of 'm' (20%) were cut off before they ended; raise distill.sampling.max_tokens."
        assert records["distill"]["warnings"] == [warning] * told
        assert len(records["rollouts"]["warnings"]) == told
        assert not records["ingest"]["warnings"]
        for stage in ("distill", "rollouts"):
            (build.folder(road(build).stage(stage)) / "stage.json").unlink()
