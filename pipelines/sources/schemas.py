"""The columns of public datasets, by name: `schema: chartqa` in a source stands for the SELECT that its columns need.

A schema is one or several layouts, because files of one name were published in several; the first whose columns are all
there is taken. `{raw}` stands for the source's table, with the layout's optional columns as nulls where they are not there.
Marks `<image>` that stand for images are read by `pipelines.ingest.ingest`; a chat is read by
`pipelines.sources.values.read_chat`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from schemas.errors import ConfigError, nearest

_NUMBER = r"'\s*[-+]?[$€£]?[0-9][0-9,]*([.][0-9]+)?\s*(%|°|[a-z]{1,3}[²³]?)?\s*'"
_LETTERS = tuple("ABCDEFGHIJ")


def _first(column: str) -> str:
    """SQL for the text of a value, or of the first item of a list."""
    return f"coalesce(to_json({column}) ->> '$[0]', to_json({column}) ->> '$')"


def _tagged(column: str) -> str:
    """SQL for the text between `<answer>` and `</answer>`, else the whole text."""
    return f"trim(coalesce(nullif(regexp_extract({column}, '(?s)<answer>(.*?)</answer>', 1), ''), {column}))"


def _number_or(other: str, text: str) -> str:
    """SQL for the answer kind of a text."""
    return f"CASE WHEN regexp_full_match({text}, {_NUMBER}) THEN 'number' ELSE '{other}' END"


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns that must be there, the SELECT over them, columns that may be there, and whether it reads the table twice."""

    needs: tuple[str, ...]
    select: str
    optional: tuple[str, ...] = ()
    twice: bool = False


@dataclass(frozen=True, slots=True)
class PublicSchema:
    """A dataset's layouts and where its columns are published."""

    published: str
    layouts: tuple[Layout, ...]


_LABEL_KIND = _number_or("text", _first("label"))
_LETTER_FIELDS = ", ".join(f"'{letter}': nullif(mine.{letter}, '')" for letter in _LETTERS)
_LETTERED = f"to_json({{{_LETTER_FIELDS}}})"
_LETTERED_KIND = f"CASE WHEN coalesce(mine.A, '') <> '' THEN 'choice' ELSE {_number_or('text', 'mine.answer')} END"
_MMMU_IMAGES = tuple(f"image_{number}" for number in range(1, 8))
_MMMU_LIST = f"list_filter([{', '.join(_MMMU_IMAGES)}], lambda x: x IS NOT NULL) AS images"
_SOLUTION = Layout(
    ("problem", "solution", "image"),
    f"""SELECT problem AS question, {_tagged("solution")} AS answer, image,
    {_number_or("expression", _tagged("solution"))} AS kind FROM {{raw}}""",
)


def _hinted(table: str) -> str:
    """SQL for a question after its hint, which it cannot be answered without."""
    return f"concat_ws(chr(10), nullif({table}.hint, ''), {table}.question) AS question"


def _chat(turns: str) -> tuple[Layout, ...]:
    """A column of turns, with images beside it or without, and with a gold of its own (GRPO in ms-swift) or without."""
    both = "coalesce(to_json(images), to_json(image)) AS images"
    beside = {("images", "image"): both, ("images",): "images", ("image",): "image", (): ""}
    golds = {("solution",): f"{_tagged('solution')} AS answer", (): ""}
    return tuple(
        Layout((turns, *gold, *image), f"SELECT {', '.join(filter(None, (chat, answer, shown)))} FROM {{raw}}")
        for chat in (f"{turns} AS conversation",)
        for gold, answer in golds.items()
        for image, shown in beside.items()
    )


_CHATS = (*_chat("conversations"), *_chat("messages"))

SCHEMAS: dict[str, PublicSchema] = {
    "ai2d": PublicSchema(
        "lmms-lab/ai2d",
        (
            Layout(
                ("question", "options", "answer", "image"),
                "SELECT question, options, chr(65 + CAST(answer AS INTEGER)) AS answer, image, 'choice' AS kind FROM {raw}",
            ),
        ),
    ),
    "chartqa": PublicSchema(
        "HuggingFaceM4/ChartQA; the JSON files of vis-nlp/ChartQA",
        (
            Layout(
                ("query", "label", "image"),
                f"SELECT query AS question, label AS answer, image, {_LABEL_KIND} AS kind FROM {{raw}}",
            ),
            Layout(
                ("query", "label", "imgname"),
                f"SELECT query AS question, label AS answer, imgname AS image, {_LABEL_KIND} AS kind FROM {{raw}}",
            ),
        ),
    ),
    "clevr_cogent": PublicSchema("leonardPKU/clevr_cogen_a_train; MMInstruction/Clevr_CoGenT_TrainA_R1", (_SOLUTION,)),
    "geometry3k": PublicSchema(
        "hiyouga/geometry3k (EasyR1)",
        (
            Layout(
                ("problem", "answer", "images"),
                "SELECT problem AS question, answer, images, 'expression' AS kind FROM {raw}",
            ),
        ),
    ),
    "geoqa_r1v": PublicSchema("leonardPKU/GEOQA_R1V_Train_8K", (_SOLUTION,)),
    "llava": PublicSchema("liuhaotian/LLaVA-Instruct-150K and the many files of its form", _CHATS),
    "mathvista": PublicSchema(
        "AI4Math/MathVista",
        (
            Layout(
                ("pid", "question", "decoded_image", "choices", "answer", "question_type", "answer_type"),
                """SELECT pid AS "row", question, answer, decoded_image AS image,
                CASE WHEN question_type = 'multi_choice' THEN choices END AS options,
                CASE WHEN question_type = 'multi_choice' THEN 'choice'
                     WHEN answer_type IN ('integer', 'float') THEN 'number' ELSE 'text' END AS kind FROM {raw}""",
            ),
        ),
    ),
    "mmmu": PublicSchema(
        "MMMU/MMMU, MMMU/MMMU_Pro (standard)",
        (
            Layout(
                ("id", "question", "options", "answer", "question_type", *_MMMU_IMAGES),
                f"""SELECT id AS "row", question, options, answer, {_MMMU_LIST},
                CASE WHEN question_type = 'multiple-choice' THEN 'choice' ELSE {_number_or("text", "answer")} END AS kind
                FROM {{raw}}""",
            ),
            Layout(
                ("id", "question", "options", "answer", *_MMMU_IMAGES),
                f"""SELECT id AS "row", question, options, answer, {_MMMU_LIST}, 'choice' AS kind FROM {{raw}}""",
            ),
        ),
    ),
    "ms_swift": PublicSchema(
        "the custom datasets of ms-swift, its older query and response included",
        (
            *_CHATS,
            Layout(("query", "response", "images"), "SELECT query AS question, response AS answer, images FROM {raw}"),
            Layout(("query", "response"), "SELECT query AS question, response AS answer FROM {raw}"),
        ),
    ),
    "scienceqa": PublicSchema(
        "derek-thomas/ScienceQA",
        (
            Layout(
                ("image", "question", "choices", "answer"),
                f"""SELECT {_hinted("mine")}, choices AS options, chr(65 + CAST(answer AS INTEGER)) AS answer, image,
                'choice' AS kind, subject AS domain FROM {{raw}} mine""",
                ("hint", "subject"),
            ),
        ),
    ),
    "sharegpt": PublicSchema("ShareGPT and LLaMA-Factory's files of that form", _CHATS),
    "vlmevalkit": PublicSchema(
        "the TSV files of VLMEvalKit: MMBench, MMStar, AI2D_TEST, …",
        (
            # An image is base64, a list of these, or the index of the row that has it.
            Layout(
                ("index", "question", "answer", "image"),
                f"""SELECT mine."index" AS "row", {_hinted("mine")}, mine.answer, {_LETTERED} AS options,
                coalesce(shared.image, mine.image) AS image, {_LETTERED_KIND} AS kind
                FROM {{raw}} mine LEFT JOIN {{raw}} shared
                ON length(mine.image) <= 64 AND length(shared.image) > 64 AND shared."index" = mine.image""",
                (*_LETTERS, "hint"),
                twice=True,
            ),
            Layout(
                ("index", "question", "answer", "image_path"),
                f"""SELECT mine."index" AS "row", {_hinted("mine")}, mine.answer, {_LETTERED} AS options,
                image_path AS images, {_LETTERED_KIND} AS kind FROM {{raw}} mine""",
                (*_LETTERS, "hint"),
            ),
        ),
    ),
    "we_math": PublicSchema(
        "We-Math/We-Math",
        (
            Layout(
                ("ID", "question", "option", "answer", "image_path"),
                """SELECT ID AS "row", question, option AS options, answer, image_path AS image, 'choice' AS kind
                FROM {raw}""",
            ),
        ),
    ),
}
"""By name. A line in `docs/sources.md` for each."""


def statement(source: str, name: str, columns: Collection[str], *, streamed: bool) -> str:
    """The SELECT over `raw` for the schema of that name. Raises ConfigError where the columns are those of no layout.

    `streamed`: the table can be read once only.
    """
    found = {column.lower() for column in columns}
    schema = SCHEMAS[name]
    for layout in schema.layouts:
        if {column.lower() for column in layout.needs} <= found:
            if layout.twice and streamed:
                raise ConfigError(f"Source '{source}': schema '{name}' reads its table twice; give it as a file.")
            missing = [column for column in layout.optional if column.lower() not in found]
            nulls = "".join(f', CAST(NULL AS VARCHAR) AS "{column}"' for column in missing)
            return layout.select.replace("{raw}", f"(SELECT *{nulls} FROM raw)" if missing else "raw")
    wanted = " or ".join(", ".join(layout.needs) for layout in schema.layouts)
    raise ConfigError(
        f"Source '{source}': schema '{name}' ({schema.published}) has the columns {wanted}; here are "
        f"{', '.join(sorted(columns)) or 'none'}."
    )


def known_schema(name: str) -> str:
    """The name, where there is a schema of that name. Raises ValueError."""
    if name not in SCHEMAS:
        raise ValueError(f"no schema '{name}'.{nearest(name, SCHEMAS)} Schemas: {', '.join(SCHEMAS)}")
    return name
