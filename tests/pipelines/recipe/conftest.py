"""Recipes written to a folder and read again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe.document import Document, load_document
from schemas.errors import ConfigError

HEAD = "name: tiny\nmodels: {vlm: {model: reference-vlm}}\nsources: [{type: scenes, name: drawn}]\n"
"""Three lines: the first step of a recipe after it is in line 5."""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Document]:
    """Load a recipe of these steps (or of a whole text), written as `r.yaml`."""

    def loaded(text: str, *overrides: str, whole: bool = False, **options: Any) -> Document:
        path = tmp_path / "r.yaml"
        path.write_text(text if whole else f"{HEAD}steps:\n{text}", encoding="utf-8")
        return load_document(str(path), overrides, **options)

    return loaded


@pytest.fixture
def refusal(load: Callable[..., Document], tmp_path: Path) -> Callable[..., str]:
    """The sentences by which it is refused, without the folder."""

    def refused(text: str, *overrides: str, whole: bool = False, **options: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides, whole=whole, **options)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused
