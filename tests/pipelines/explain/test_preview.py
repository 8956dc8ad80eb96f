"""What a preview finds out, on a scripted model: above all whether an image arrived."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from pipelines.explain.preview import Preview, preview, without_images
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.store.workspace import Workspace
from schemas.completion import Completion, ImagePart, Message, ModelIdentity, Request
from schemas.errors import PermanentEngineError

RECIPE = """\
name: r
models:
  m: {model: m, engine: openai, base_urls: ["http://127.0.0.1:1/v1"]}
sources:
  - {type: jsonl, name: rows, path: SOURCE}
rollouts: {model: m, n: 2, system: Look., tags: plain}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
driver: {max_retries: 0}
"""
Answer = Callable[[Request, int], tuple[str, int | None]]


class Scripted:
    """Answers by rule: text, and the prompt tokens that the server counts."""

    identity = ModelIdentity("m", "unversioned", "server")
    concurrency = 4

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        self.asked += len(indexes)
        told = [(i, *self.answer(request, i)) for i in indexes]
        return [Completion(i, text, "stop", tokens, 2) for i, text, tokens in told]


@pytest.fixture
def try_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], tuple[Preview, Scripted]]:
    rows = []
    for i in range(4):
        Image.new("RGB", (32, 32), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
        rows.append({"image": f"{i}.png", "question": f"How many in picture {i}?", "answer": str(i), "kind": "number"})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("SOURCE", str(tmp_path / "rows.jsonl")))

    def run(answer: Answer) -> tuple[Preview, Scripted]:
        from generators.engines import select

        engine = Scripted(answer)
        monkeypatch.setattr(select, "make_engine", lambda config, media: engine)
        return preview(Build(load_recipe(str(tmp_path / "r.yaml"), limit=3), Workspace(tmp_path / "out"))), engine

    return run


def seen(request: Request) -> str:
    return "1" if request.images else "0"


@pytest.mark.parametrize(
    ("answer", "arrived", "why"),
    [
        (lambda request, i: ("1", 20 + 64 * len(request.images)), "yes", "64 tokens more with an image"),
        (lambda request, i: ("1", 20), "no", "as many tokens with an image as without"),
        (lambda request, i: (seen(request), 20 + len(request.images)), "no", "as many tokens"),
        (lambda request, i: ("1", None), "no", "all 3 answers are the same with the image and without it"),
        (lambda request, i: ("1", 0), "no", "all 3 answers are the same"),
        (lambda request, i: (seen(request), None), "yes", "answers differ"),
        (lambda request, i: (seen(request) if request.sampling.temperature == 0 else str(i), None), "yes", "differ"),
        (lambda request, i: ("1" if request.sampling.temperature == 0 else str(i), None), "no", "are the same"),
    ],
)
def test_whether_an_image_arrived(
    try_out: Callable[[Answer], tuple[Preview, Scripted]], answer: Answer, arrived: str, why: str
) -> None:
    """By the tokens of the prompt where a server counts them, else by what is answered blind."""
    (arrival,) = try_out(answer)[0].arrivals
    assert (arrival.stage, arrival.model, arrival.arrived) == ("rollouts", "m", arrived)
    assert why in arrival.why


def test_a_server_that_takes_no_prompt_without_an_image_tells_nothing(
    try_out: Callable[[Answer], tuple[Preview, Scripted]],
) -> None:
    def answer(request: Request, index: int) -> tuple[str, int | None]:
        if not request.images:
            raise PermanentEngineError("an image is needed")
        return "1", 90

    found, _ = try_out(answer)
    assert found.arrivals[0].arrived == "unknown" and "an image is needed" in found.arrivals[0].why
    assert found.error is None


def test_each_row_has_what_was_sent_and_what_came_back(
    try_out: Callable[[Answer], tuple[Preview, Scripted]], tmp_path: Path
) -> None:
    found, engine = try_out(lambda request, i: (str(i), 20 + 64 * len(request.images)))
    assert len(found.rows) == 3 and engine.asked == 3 * 2 + 3
    for row in found.rows:
        (asked,) = row.asked
        assert [m.role for m in asked.request.messages] == ["system", "user"]
        assert asked.request.messages[1].content[0] == ImagePart(row.images[0].stem)
        assert [(r.text, r.extracted) for r in asked.replies] == [("0", "0"), ("1", "1")]
        assert [r.verdict for r in asked.replies] == ["right" if row.gold == str(i) else "wrong" for i in (0, 1)]
        assert row.fate == "released in rl"
    assert not list((tmp_path / "out").glob("builds/*")) and not list((tmp_path / "out").glob("releases/*"))
    _, again = try_out(lambda request, i: ("other", 1))
    assert again.asked == 0, "the log answers a second preview, and the build"


def test_a_verdict_has_the_name_that_difficulty_gives_it(
    try_out: Callable[[Answer], tuple[Preview, Scripted]],
) -> None:
    found, _ = try_out(lambda request, i: ("I cannot say." if i else "1", 90))
    verdicts = [reply.verdict for row in found.rows for reply in row.asked[0].replies]
    assert set(verdicts[1::2]) == {"no_answer"} and set(verdicts[::2]) <= {"right", "wrong"}


def test_a_model_that_refuses_ends_the_preview_with_what_was_sent(
    try_out: Callable[[Answer], tuple[Preview, Scripted]],
) -> None:
    def answer(request: Request, index: int) -> tuple[str, int | None]:
        raise PermanentEngineError("no such template")

    found, _ = try_out(answer)
    assert found.error is not None and "no such template" in found.error
    assert all(row.asked[0].replies[0].text is None and row.fate.startswith("not decided") for row in found.rows)


def test_a_blind_request_differs_in_its_images_only() -> None:
    turns = (Message("system", ("Look.",)), Message("user", (ImagePart("a"), "Say", ImagePart("b"), "it")))
    blind = without_images(Request("x", turns, n=3, prefix="So"))
    assert blind == Request("x", (turns[0], Message("user", ("Say", "it"))), n=3, prefix="So")
