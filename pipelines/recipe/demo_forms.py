"""The columns of public datasets, as a SELECT over the table `task`: the reverse of `pipelines.sources.schemas`."""

from typing import NamedTuple

from pipelines.sources.tasks import TaskName


class Form(NamedTuple):
    """The task that a schema's rows are like, and the SELECT that gives its columns."""

    task: TaskName
    raw: str


_GOLD = "coalesce(letter, answer)"
_INDEX = "ascii(letter) - 65"
_TURNS = "[{'from': 'human', 'value': '<image>' || chr(10) || question}, {'from': 'gpt', 'value': answer}]"
_SOLUTION = f"SELECT question AS problem, '<answer>' || {_GOLD} || '</answer>' AS solution, image FROM task"
_CHAT = f"SELECT id, image, {_TURNS} AS conversations FROM task"
_NO_IMAGES = ", ".join(f"CAST(NULL AS BLOB) AS image_{number}" for number in range(2, 8))
_LETTERED = ", ".join(f"coalesce(options[{number}], '') AS {letter}" for number, letter in enumerate("ABCD", 1))
_PYTHON = "'[''' || array_to_string(options, ''', ''') || ''']'"
_LISTED = "list_transform(range(1, len(options) + 1), i -> chr(64 + CAST(i AS INTEGER)) || '. ' || options[i])"

FORMS = {
    "ai2d": Form("choice", f"SELECT question, options, CAST({_INDEX} AS VARCHAR) AS answer, image FROM task"),
    "chartqa": Form("text", "SELECT question AS query, [answer] AS label, image FROM task"),
    "clevr_cogent": Form("number", _SOLUTION),
    "geometry3k": Form("number", "SELECT question AS problem, answer, images FROM task"),
    "geoqa_r1v": Form("number", _SOLUTION),
    "llava": Form("open", _CHAT),
    "mathvista": Form(
        "mixed",
        f"""SELECT id AS pid, question, image AS decoded_image, options AS choices, {_GOLD} AS answer,
        CASE WHEN options IS NULL THEN 'free_form' ELSE 'multi_choice' END AS question_type,
        CASE kind WHEN 'number' THEN 'integer' ELSE 'text' END AS answer_type FROM task""",
    ),
    "mmmu": Form(
        "choice",
        f"""SELECT id, question, {_PYTHON} AS options, letter AS answer,
        'multiple-choice' AS question_type, image AS image_1, {_NO_IMAGES} FROM task""",
    ),
    "ms_swift": Form("text", f"SELECT question AS query, {_GOLD} AS response, images FROM task"),
    "scienceqa": Form(
        "choice",
        f"""SELECT image, question, options AS choices, {_INDEX} AS answer, '' AS hint, topic AS subject FROM task""",
    ),
    "sharegpt": Form("open", _CHAT),
    "vlmevalkit": Form(
        "choice",
        f"""SELECT CAST(row_number() OVER () AS VARCHAR) AS "index", question, letter AS answer, to_base64(image) AS image,
        {_LETTERED} FROM task""",
    ),
    "we_math": Form(
        "choice",
        f"""SELECT id AS ID, question, array_to_string({_LISTED}, '; ') AS option, letter AS answer, image AS image_path
        FROM task""",
    ),
}
"""By the schema's name; a test reads each back by the schema."""

LIKE: dict[str, TaskName] = {
    "choice": "choice", "number": "number", "expression": "number", "boolean": "yes_no", "text": "text", "open": "open",
    "boxes": "boxes", "points": "points", "abstain": "unanswerable",
}  # fmt: skip
"""The task whose rows have answers of a kind."""
