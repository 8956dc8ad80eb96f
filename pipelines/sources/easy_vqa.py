"""The easy-VQA dataset, which its Python package carries along: 5,000 images of one shape, 48,248 questions."""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from pipelines.sources.arrow import batches, declare, stream, text_schema
from pipelines.sources.section import SourceSection
from schemas.errors import MissingDependencyError

_COLUMNS = ("question", "answer", "image", "kind", "image_id", "row")


class EasyVqaSource(SourceSection):
    """easy-VQA (Victor Zhou, https://github.com/vzhou842/easy-VQA, MIT). Raw columns: question, answer, image, kind,
    image_id, row. Answers are yes or no (boolean) or one of eight colours and three shapes (text)."""

    all_images = True
    type: Literal["easy_vqa"] = "easy_vqa"
    name: str = "easy-vqa"
    split: Literal["train", "test"] = "train"
    license: str | None = "MIT"
    url: str | None = "https://github.com/vzhou842/easy-VQA"

    @property
    def root(self) -> Path:
        spec = importlib.util.find_spec("easy_vqa")
        if spec is None or spec.origin is None:
            raise MissingDependencyError("easy-vqa", "cpu", f"source '{self.name}'")
        return Path(spec.origin).parent

    def _folders(self) -> tuple[Path, ...]:
        return (self.root,)

    def attach(self, connection: Any, scratch: Path) -> None:
        self.root  # noqa: B018  (a missing package is reported before anything is read)
        declare(connection, text_schema(_COLUMNS))

    def feed(self, connection: Any) -> None:
        import easy_vqa

        read = easy_vqa.get_train_questions if self.split == "train" else easy_vqa.get_test_questions
        rows = (
            {
                "question": question,
                "answer": answer,
                "image": f"data/{self.split}/images/{image}.png",
                "kind": "boolean" if answer in ("yes", "no") else "text",
                "image_id": str(image),
                "row": str(number),
            }
            for number, (question, answer, image) in enumerate(zip(*read(), strict=True))
        )
        schema = text_schema(_COLUMNS)
        stream(connection, schema, batches(rows, schema))

    def stamp(self) -> JsonValue:
        return [version("easy-vqa"), self.split] if self.root else None

    def is_small(self) -> bool:
        return True
