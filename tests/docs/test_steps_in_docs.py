"""The page on the options of steps is what the code has: every type, every key, every default."""

import re

from step_page import PAGE, page

from pipelines.steps.catalogue import TYPES, step_types
from schemas.step import StepConfig


def test_the_page_is_written_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/support/step_page.py`"


def test_it_has_every_type_and_every_key_of_its_own_with_a_meaning() -> None:
    tables = dict(
        re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    assert list(tables) == [*TYPES, "Sections"]
    shared = {*re.findall(r"^\| `(.+?)` ", tables["ask"], re.MULTILINE)}
    for name, step in step_types().items():
        keys = {f.alias or key for key, f in step.config.model_fields.items() if key not in StepConfig.model_fields}
        there = {*re.findall(r"^\| `(.+?)` ", tables[name], re.MULTILINE)}
        asks = shared if "keys of `ask`" in tables[name] else set()
        assert keys - {"configs"} <= there | asks, name
    assert not re.findall(r"^\| `.*\|\s*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE), "a key without a meaning"
