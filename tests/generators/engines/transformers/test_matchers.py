import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from generators.engines.transformers import matchers as module
from generators.engines.transformers.matchers import Matcher, Matchers
from generators.engines.transformers.sequence import Sample
from generators.engines.transformers.token_sampling import SamplingRows, choose
from generators.reference.architecture import END, train_tokenizer
from schemas.completion import Completion, Constraint, Sampling
from schemas.errors import PermanentEngineError
from schemas.reply_shape import Reply, constraint, parse
from schemas.tags import TAG_SCHEMAS

pytestmark = pytest.mark.filterwarnings("ignore")

EXTRA = 9
"""Logits beyond the tokenizer's tokens, as padded vocabularies have them."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["a small red circle", "yes", "no", '{"count": 3}'] * 3, 400)


@pytest.fixture(scope="module")
def matchers(tokenizer: Any) -> Matchers:
    return Matchers(tokenizer, len(tokenizer) + EXTRA, {tokenizer.eos_token_id})


def written(matcher: Matcher, tokenizer: Any, text: str) -> Matcher:
    """The matcher after `text`, of which every token was allowed."""
    for token in tokenizer.encode(text, add_special_tokens=False):
        allowed = matcher.allowed()
        assert allowed is not None
        assert allowed[token], text
        matcher.push(token)
    return matcher


def may_end(matcher: Matcher, tokenizer: Any) -> bool:
    allowed = matcher.allowed()
    assert allowed is not None
    return bool(allowed[tokenizer.eos_token_id])


@pytest.mark.parametrize(
    ("kind", "value", "text", "ends", "complete"),
    [
        ("choice", '["yes", "yes, but", "no"]', "", False, False),
        ("choice", '["yes", "yes, but", "no"]', "yes", True, False),
        ("choice", '["yes", "yes, but", "no"]', "yes, but", True, True),
        ("choice", '["yes", "yes, but", "no"]', "no", True, True),
        ("regex", "[0-9]|10", "1", True, False),
        ("regex", "[0-9]|10", "10", True, True),
        ("regex", "a+", "aaa", True, False),
        ("json", '{"type": "integer", "maximum": 12, "minimum": 0}', "1", True, False),
        ("json", '{"enum": ["a", "b"]}', '"a', False, False),
        ("json", '{"enum": ["a", "b"]}', '"a"', True, True),
    ],
)
def test_a_reply_may_end_only_where_its_form_is_whole(
    matchers: Matchers, tokenizer: Any, kind: Any, value: str, text: str, ends: bool, complete: bool
) -> None:
    matcher = written(matchers.matcher(Constraint(kind, value)), tokenizer, text)
    assert matcher.complete is complete
    assert may_end(matcher, tokenizer) is ends


def test_no_token_beyond_the_tokenizer_is_allowed(matchers: Matchers, tokenizer: Any) -> None:
    allowed = matchers.matcher(Constraint("regex", "(?s:.*)")).allowed()
    assert allowed is not None
    assert not allowed[len(tokenizer) :].any()
    special = {token for token in tokenizer.all_special_ids if token != tokenizer.eos_token_id}
    assert not any(allowed[token] for token in special), "a special token writes no text"


def test_json_is_compact(matchers: Matchers, tokenizer: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    matcher = written(matchers.matcher(Constraint("json", json.dumps(schema))), tokenizer, '{"a"')
    allowed = matcher.allowed()
    assert allowed is not None
    assert {str(tokenizer.decode([i])).strip('0123456789-"') for i in allowed.nonzero()[0]} == {":"}


def test_two_samples_of_a_grammar_go_their_own_ways(matchers: Matchers, tokenizer: Any) -> None:
    one, other = (matchers.matcher(Constraint("choice", '["yes", "no"]')) for _ in range(2))
    assert written(one, tokenizer, "yes").complete
    assert not other.complete
    assert written(other, tokenizer, "no").complete


def test_a_grammar_is_compiled_once_and_the_oldest_is_forgotten(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_GRAMMARS", 2)
    made = Matchers(tokenizer, len(tokenizer), {tokenizer.eos_token_id})
    forms = [Constraint("choice", json.dumps([text])) for text in "abc"]
    for form in (forms[0], forms[1], forms[0], forms[2]):
        made.matcher(form)
    assert list(made._compiled) == [forms[0], forms[2]]
    before = made._compiled[forms[0]]
    made.matcher(forms[0])
    assert made._compiled[forms[0]] is before


@pytest.mark.parametrize("form", [Constraint("regex", "("), Constraint("json", "{"), Constraint("choice", "[]")])
def test_a_form_that_is_none_refuses_the_request(matchers: Matchers, form: Constraint) -> None:
    with pytest.raises(PermanentEngineError, match=rf"the form of the reply \({form.kind}\) cannot be enforced"):
        matchers.matcher(form)


def test_a_form_that_the_tokens_cannot_write_is_an_error_of_its_sample_only() -> None:
    """A vocabulary that has no letter a."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE({"<end>": 0, "y": 1, "e": 2, "s": 3, "m": 4, "ye": 5}, [("y", "e")]))
    words.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")
    made = Matchers(tokenizer, 6, {0})
    assert reply(made, tokenizer, Constraint("choice", '["yes"]')).text == "yes"
    done = reply(made, tokenizer, Constraint("choice", '["maybe"]'))
    assert (done.finish_reason, done.text) == ("error", "")
    assert done.error


def test_a_tokenizer_that_changes_texts_does_not_change_a_form() -> None:
    """It writes small letters, and a blank before them (as sentencepiece does)."""
    from tokenizers import normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = train_tokenizer(["yes", "no"], 300).backend_tokenizer
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END)
    made = Matchers(tokenizer, len(tokenizer), {tokenizer.eos_token_id})
    assert reply(made, tokenizer, Constraint("choice", '["Yes, It IS"]')).text == "Yes, It IS"


def test_a_tokenizer_in_python_is_named_as_the_reason() -> None:
    class Slow:
        def __len__(self) -> int:
            return 3

    with pytest.raises(PermanentEngineError, match="needs a tokenizer of the tokenizers library"):
        Matchers(Slow(), 3, {0}).matcher(Constraint("regex", "a"))


def reply(
    matchers: Matchers, tokenizer: Any, form: Constraint, seed: int = 0, limit: int = 400, **sampling: Any
) -> Completion:
    """What a model of random logits says under a form."""
    torch.manual_seed(seed)
    drawn = Sampling(**{"seed": seed, **sampling})
    sample = Sample(0, [1], drawn, limit, tokenizer, frozenset({tokenizer.eos_token_id}), matchers.matcher(form))
    rows = SamplingRows([drawn], "cpu")
    while sample.finish is None:
        allowed = sample.allowed()
        if allowed is not None:
            mask = torch.from_numpy(allowed)[: matchers._vocabulary].unsqueeze(0)
            logits = 3 * torch.randn(1, matchers._vocabulary)
            tokens, _ = choose(logits, rows, [sample.chance()], None, mask)
            sample.push(tokens[0], None)
    return sample.completion()


SCALARS = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "number"}),
    st.just({"type": "integer"}),
    st.tuples(st.integers(-50, 50), st.integers(0, 200)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    st.integers(0, 12).map(lambda most: {"type": "string", "maxLength": most}),
    st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True).map(lambda texts: {"enum": texts}),
)
ARRAYS = st.integers(1, 4).map(
    lambda most: {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": most}
)
NAMES = st.text(alphabet='abc_é "\\{', min_size=1, max_size=5)


@st.composite
def schemas(draw: Callable[..., Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, st.one_of(SCALARS, ARRAYS), min_size=1, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


@settings(max_examples=150, deadline=None)
@given(schemas(), st.integers(0, 99), st.sampled_from([{}, {"temperature": 0}, {"top_k": 5}, {"top_p": 0.5}]))
def test_whatever_a_model_says_under_a_schema_parses_and_meets_it(
    matchers: Matchers, tokenizer: Any, schema: dict[str, Any], seed: int, sampling: dict[str, Any]
) -> None:
    done = reply(matchers, tokenizer, Constraint("json", json.dumps(schema)), seed, **sampling)
    if done.finish_reason == "length":
        return  # digits without end
    assert (done.finish_reason, done.error) == ("stop", None)
    said = json.loads(done.text)
    jsonschema.validate(said, schema)
    assert " " not in re.sub(r'"(?:\\.|[^"\\])*"', "", done.text), "blanks stand inside texts only"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True), st.integers(0, 99))
def test_a_choice_is_one_of_its_texts_whatever_they_are(
    matchers: Matchers, tokenizer: Any, texts: list[str], seed: int
) -> None:
    form = Constraint("choice", json.dumps(texts))
    done = reply(matchers, tokenizer, form, seed)
    assert done.finish_reason == "stop"
    assert done.text in texts


@pytest.mark.parametrize(
    "pattern", [r"Score: ([0-9]|10)", r"<answer>[A-D]</answer>", r"see <image>[0-9]", r"[0-9]{4}-[0-9]{2}", "(a|bc)+d"]
)
def test_a_regular_expression_matches_the_whole_reply(matchers: Matchers, tokenizer: Any, pattern: str) -> None:
    for seed in range(20):
        done = reply(matchers, tokenizer, Constraint("regex", pattern), seed)
        assert re.fullmatch(pattern, done.text), done.text
        assert done.finish_reason == "stop"


def test_a_reply_that_reaches_its_limit_is_cut(matchers: Matchers, tokenizer: Any) -> None:
    done = reply(matchers, tokenizer, Constraint("regex", "a{100}"), limit=4)
    assert (done.finish_reason, set(done.text)) == ("length", {"a"})
    whole = reply(matchers, tokenizer, Constraint("regex", "[xz]"), limit=1)
    assert whole.finish_reason == "stop", "whole with its last token, so not cut"


def test_the_end_token_is_the_models_own(tokenizer: Any) -> None:
    """Every token that ends a reply, by the model's settings or its tokenizer's."""
    other = tokenizer.convert_tokens_to_ids("<|user|>")
    made = Matchers(tokenizer, len(tokenizer), {tokenizer.convert_tokens_to_ids(END), other})
    allowed = written(made.matcher(Constraint("regex", "a+")), tokenizer, "a").allowed()
    assert allowed is not None
    assert allowed[other]
    assert allowed[tokenizer.eos_token_id]


SHAPES: list[Any] = [{"tags": name} for name in TAG_SCHEMAS]
SHAPES += [
    {"choice": ["keep", "reject"]},
    {"choice": ["A", "B", "A and B"]},
    {"score": [0, 9]},
    {"score": [0.0, 1.0]},
    {"fields": {"label": "str", "sure": "bool", "boxes": ["float"]}},
    {"fields": {"kind": {"choice": ["a", "b"]}, "grade": {"score": [1, 5]}, "count": "int", "share": "float"}},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(next(iter(shape.values())))[:30])
def test_a_reply_held_to_the_shape_of_a_step_is_read_by_that_step(
    matchers: Matchers, tokenizer: Any, shape: dict[str, Any]
) -> None:
    wanted = TypeAdapter(Reply).validate_python(shape)
    form = constraint(wanted, longest=120)
    if form is None:
        return
    read = 0
    for seed in range(20):
        done = reply(matchers, tokenizer, form, seed, limit=1000)
        assert done.error is None
        if done.finish_reason == "stop":
            assert parse(wanted, done.text) is not None, done.text
            read += 1
    assert read >= 15
