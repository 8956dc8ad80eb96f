import ast

from pipelines.export.shipped_code import _sources
from schemas.remembered import remembered


def test_short_texts_are_many_long_ones_few_and_the_longest_none() -> None:
    asked: list[str] = []

    @remembered(chars=65_536)
    def length(text: str) -> int:
        """Its docstring stays."""
        asked.append(text)
        return len(text)

    def again(texts: list[str]) -> int:
        """How many of these texts are read a second time."""
        asked.clear()
        for text in texts * 2:
            assert length(text) == len(text)
        return len(asked) - len(texts)

    assert length.__doc__ == "Its docstring stays."
    assert again([str(n) for n in range(256)]) == 0
    assert again([str(n) * 1000 for n in range(10, 26)]) == 0
    assert again([str(n) * 1000 for n in range(100, 180)]) == 80
    assert again(["a" * 60_000]) == 0
    assert again(["b" * 60_000, "c" * 60_000]) == 2
    assert again(["a" * 70_000]) == 1


def test_arguments_are_measured_together() -> None:
    asked: list[str] = []

    @remembered(chars=300, size=lambda name, texts: len(name) + sum(map(len, texts)))
    def joined(name: str, texts: tuple[str, ...]) -> str:
        asked.append(name)
        return name.join(texts)

    for _ in range(2):
        assert joined(",", ("a", "b")) == "a,b"
        joined(",", ("a" * 70_000, "b"))
    assert len(asked) == 3


def test_no_memory_of_a_reward_is_counted_in_entries_alone() -> None:
    """Texts of models and rows are kept by `remembered`; the others keep names of a recipe, and tables."""
    kept = {
        (module, function.name)
        for module, source in _sources().items()
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef)
        for mark in function.decorator_list
        if ast.unparse(mark).split("(")[0] in ("cache", "lru_cache", "functools.cache", "functools.lru_cache")
    }
    assert kept == {
        ("filters.verify.symbolic", "_engine"),
        ("filters.verify.units", "_takes_prefixes"),
        ("filters.verify.units", "_named"),
        ("filters.verify.unit_words", "unit_words"),
        ("filters.verify.units", "_tables"),
        ("schemas.answer_span", "_loose"),
        ("schemas.answer_span", "_any_case"),
        ("schemas.tags", "_names"),
    }
