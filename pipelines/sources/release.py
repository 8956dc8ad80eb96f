"""An earlier release as a source: the next round of a recipe, or another recipe, goes on from what went out."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, PrivateAttr, field_validator, model_validator

from filters.sql.engine import literal, quoted
from pipelines.sources.section import SMALL, SourceSection
from pipelines.sources.texts import by_plain_name
from pipelines.store.release_damage import MANIFEST
from pipelines.store.release_seal import sound
from pipelines.store.table_files import tables_in
from pipelines.store.workspace import BUILD_NAME, DEMO, is_trial, read_json, recipe_of
from schemas.errors import ConfigError, nearest

_VERSION = re.compile(rf"(?P<recipe>{BUILD_NAME})@(?P<version>v[1-9]\d*)")

_TURN = "list_extract(list_filter(prompt, turn -> turn.role = 'user'), -1).content"
_PIECE = """substring(turn, coalesce(image_positions[i], 0) + 1,
    coalesce(image_positions[i + 1], length(turn)) - coalesce(image_positions[i], 0))"""
_MARKED = f"array_to_string(list_transform(range(len(image_positions) + 1), i -> {_PIECE}), '<image>')"
_LETTERED = "list_transform(range(1, len(options) + 1), i -> chr(64 + CAST(i AS INTEGER)) || ') ' || options[i])"
_BARE = f"""CASE WHEN len(options) = 0 THEN {_MARKED}
    ELSE replace({_MARKED}, chr(10) || array_to_string({_LETTERED}, ' '), '') END"""
"""The question of a row: its last turn without the list of options, with a mark for each image at its place."""


GOLD_VISIBLE, _UNSTATED = "gold_visible", "not stated"

_RESPONSES = {
    "completion": """list({'text': list_extract(completion, -1).content, 'model': teacher, 'gold_visible': SEEN}
        ORDER BY "row")""",
    "chosen": """flatten(list([{'text': list_extract(chosen, -1).content, 'model': chosen_model, 'preferred': true},
        {'text': list_extract(rejected, -1).content, 'model': rejected_model, 'preferred': false}] ORDER BY "row"))""",
}
"""What all rows of a sample say, by the column that tells completions from pairs. Of pairs a release does not say who had
seen the gold."""


class ReleaseSource(SourceSection):
    """Rows of one config of a release, as samples: question, gold, verifier, options, images and group as they went out.

    `question` is the last user turn of the prompt, as the student was put it (or a column `question`, where the release
    has one); `row` is the id that the sample had. All other columns of the release can be named in `select` and kept by
    `columns`, such as `solution: str`. Of a sample with several completions or pairs there is one row, whose `responses` are
    all of them (`columns: {responses: [{text: str, model: str}]}`, of pairs also `preferred: bool`), for `unfold`; and
    completions always keep whether their model was shown the gold (`gold_visible`).
    """

    type: Literal["release"] = "release"
    path: str = Field(description="RECIPE@vN in the workspace, or the folder of a release")
    config: str = Field(default="rl", pattern=r"^[a-z_][a-z0-9_]*$", description="which config of it is read")

    _folder: Path | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _shown_gold(cls, section: Any) -> Any:
        """Completions keep whether their model was shown the gold, whatever else of them is kept."""
        columns = section.get("columns") if isinstance(section, dict) else None
        if not isinstance(columns, dict):
            return section
        match columns.get("responses"):
            case [{"text": "str", **fields}] if not fields.keys() & {"preferred", GOLD_VISIBLE}:
                kept = {"text": "str", **fields, GOLD_VISIBLE: "bool"}
                return {**section, "columns": {**columns, "responses": [kept]}}
        return section

    @field_validator("path")
    @classmethod
    def _one_version(cls, path: str) -> str:
        if re.fullmatch(BUILD_NAME, path) and not Path(path).is_dir():
            raise ValueError(
                f"'{path}' names no version; write one, such as {path}@v1, so that no recipe reads what it is about to make"
            )
        return path

    def locate(self, releases: Path, *, trial: bool = False) -> None:
        """Find the release among those of a workspace. Raises ConfigError where it is not there, and where it is a trial or
        a demo and this is none: their rows would become a version, that could be pushed."""
        match = _VERSION.fullmatch(self.path)
        folder = releases / match["recipe"] / match["version"] if match else Path(self.path).expanduser()
        if not (folder / MANIFEST).is_file():
            made = sorted(f"{p.parent.parent.name}@{p.parent.name}" for p in releases.glob(f"*/v*/{MANIFEST}"))
            there = (
                f" There are {', '.join(made[:10])}." if made else " There is none here yet; build the earlier recipe."
            )
            raise ConfigError(
                f"Source '{self.name}': there is no release '{self.path}'.{nearest(self.path, made)}"
                + (there if match else "")
            )
        name = str((read_json(folder / MANIFEST) or {}).get("name"))
        if is_trial(name) and not trial:
            what, option = ("demo", "--demo") if name.endswith(DEMO) else ("trial", "--limit and --seed")
            raise ConfigError(
                f"Source '{self.name}': '{self.path}' is a {what}, and its rows go into trials and demos only. Build "
                f"{recipe_of(name)} without {option} and read that."
            )
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The release's folder. Raises ConfigError where it has not been found."""
        if self._folder is None:
            self.locate(Path(), trial=True)
        assert self._folder is not None
        return self._folder

    @property
    def terms(self) -> str | None:
        """The licence that the section states, else all those of the sources that the release was made of."""
        if self.license is not None:
            return self.license
        before = (read_json(self.folder / MANIFEST) or {}).get("sources") or []
        stated = {str(source.get("license") or _UNSTATED) for source in before}
        return " AND ".join(sorted(stated)) if stated - {_UNSTATED} else None

    def _folders(self) -> tuple[Path, ...]:
        return (self.folder,)

    def files(self) -> list[str]:
        found = list(map(str, tables_in(self.folder / self.config)))
        if not found:
            held = sorted({path.parent.name for path in self.folder.glob("*/*.parquet")})
            raise ConfigError(
                f"Source '{self.name}': {self.path} has no config '{self.config}'.{nearest(self.config, held)} "
                f"It has {', '.join(held)}."
            )
        return found

    def attach(self, connection: Any, scratch: Path) -> None:
        sound(self.folder)  # whatever is read of it, images beside the tables too
        files = [by_plain_name(file, scratch) for file in self.files()]
        connection.execute(f"CREATE VIEW released AS SELECT * FROM read_parquet([{', '.join(map(literal, files))}])")
        names = {name for name, *_ in connection.execute("DESCRIBE released").fetchall()}
        held = next((responses for column, responses in _RESPONSES.items() if column in names), None)
        rows = f"SELECT *, {_TURN} AS turn FROM released"
        if held is not None:  # one row a sample, with all replies to it
            held = held.replace("SEEN", GOLD_VISIBLE if GOLD_VISIBLE in names else "CAST(NULL AS BOOLEAN)")
            responses = f'SELECT id AS of, {held} AS responses, min("row") AS one FROM released GROUP BY id'
            rows = f'SELECT r.*, responses FROM ({rows}) r JOIN ({responses}) ON id = of AND "row" = one'
        given = {"answer": "answer ->> '$.raw'", "kind": "answer ->> '$.kind'", '"row"': "id"}
        if "question" not in names:
            given["question"] = _BARE
        hidden = ["turn", *(name for name in ("answer", "row", "index") if name in names)]
        columns = ", ".join(f"{value} AS {name}" for name, value in given.items())
        connection.execute(
            f"CREATE VIEW raw AS SELECT * EXCLUDE ({', '.join(map(quoted, hidden))}), {columns} FROM ({rows})"
        )

    def stamp(self) -> JsonValue:
        return [self.config, str((read_json(self.folder / MANIFEST) or {}).get("content"))]

    def is_small(self) -> bool:
        return sum(Path(file).stat().st_size for file in self.files()) <= SMALL
