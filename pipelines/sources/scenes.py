"""Procedural scenes as a source: as many images as wanted, with questions whose answers are exact."""

from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from generators import puzzles, scenes, thoughts
from pipelines.sources.arrow import batches, declare, stream, text_schema
from pipelines.sources.section import SourceSection
from schemas.ids import canonical_json, hash_files, hash_text

Task = Literal[
    "color", "shape", "exist", "count", "compare", "relation", "digit", "odd",
    "either", "gap", "most", "alike", "extreme",
]  # fmt: skip
_TEXTS = ("question", "answer", "kind", "group", "domain", "task", "caption", "thought", "meta", "row")


class ScenesSource(SourceSection):
    """Scenes of graded difficulty (see `generators.scenes`). Raw columns: question, answer, kind, options, image (PNG
    bytes), group (the scene), domain, task, level, caption, thought (how the answer follows from what the image shows, by
    `generators.thoughts`), meta, row."""

    all_images = True
    type: Literal["scenes"] = "scenes"
    name: str = "scenes"
    split: Literal["train", "test", "curate"] = "curate"
    n: int = Field(default=200, ge=1, description="number of scenes")
    per_scene: int | None = Field(default=None, ge=1, description="at most so many questions of a scene, drawn by hash")
    levels: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(
        default=(1, 2, 3, 4, 5), min_length=1, description="difficulties, 1 to 5, in turn"
    )
    tasks: tuple[Task, ...] | None = Field(
        default=None,
        min_length=1,
        description="only questions of these tasks; either, gap, most, alike and extreme are asked if named",
    )
    seed: int = Field(default=0, description="another seed, other scenes")
    license: str | None = "CC0-1.0"

    def attach(self, connection: Any, scratch: Path) -> None:
        declare(connection, _schema())

    def feed(self, connection: Any) -> None:
        schema = _schema()
        stream(connection, schema, batches(self._rows(), schema))

    def stamp(self) -> JsonValue:
        files = [Path(module.__file__) for module in (scenes, puzzles, thoughts) if module.__file__]
        return [hash_files(files), version("pillow")]

    def is_small(self) -> bool:
        return self.n <= 5000

    def length(self) -> int:
        return sum(len(asked) for _, asked in self._asked())

    def _rows(self) -> Iterator[dict[str, Any]]:
        for scene, asked in self._asked():
            yield from _rows_of(scene, asked)

    def _asked(self) -> Iterator[tuple[scenes.Scene, list[tuple[int, scenes.SceneQuestion]]]]:
        """The scenes, with what is asked about each."""
        for scene in scenes.iter_scenes(self.split, self.n, self.seed, self.levels):
            more = puzzles.puzzles(scene) if set(self.tasks or ()) & set(puzzles.PUZZLES) else []
            every = enumerate([*scenes.questions(scene), *more])
            asked = [q for q in every if self.tasks is None or q[1].task in self.tasks]
            if self.per_scene is not None:
                drawn = sorted(asked, key=lambda q: hash_text(f"{self.seed}:{scene.id}:{q[0]}"))[: self.per_scene]
                asked = sorted(drawn, key=lambda q: q[0])
            if asked:
                yield scene, asked


def _rows_of(scene: scenes.Scene, asked: list[tuple[int, scenes.SceneQuestion]]) -> Iterator[dict[str, Any]]:
    file = BytesIO()
    scenes.render(scene).save(file, "PNG")
    image, caption, facts = file.getvalue(), scenes.caption(scene), thoughts.facts_of(scene)
    for number, question in asked:
        yield {
            "question": question.stem,
            "answer": question.answer,
            "kind": question.kind,
            "options": list(question.options) or None,
            "image": image,
            "group": scene.id,
            "domain": "scenes",
            "task": question.task,
            "level": scene.level,
            "caption": caption,
            "thought": (thoughts.think(facts, question.question) or (None,))[0],
            "meta": canonical_json({"task": question.task, "level": scene.level}),
            "row": f"{scene.id}-q{number}",
        }


def _schema() -> Any:
    import pyarrow as pa

    return text_schema(_TEXTS, options=pa.list_(pa.string()), image=pa.binary(), level=pa.int32())
