"""Traces of teachers that see, that read captions, and that are shown worked examples."""

from asked import IMAGE, Reply, converse, run, table

from generators.presets.distill import STEP, DistillConfig
from schemas.completion import ImagePart, Sampling
from schemas.reply_shape import Form

ROW = {"question": "What color?", "options": ["red", "blue"], "media": [IMAGE], "caption": "a red star", "kind": None}


def test_a_teacher_sees_the_images_and_samples_as_reasoners_do() -> None:
    [[request]] = converse(STEP, table(ROW), DistillConfig(model="m", n=3), lambda r, i: "red")[1]
    assert request.messages[-1].content == (ImagePart("ab" * 32), "What color?\nA) red B) blue")
    assert (request.n, request.sampling) == (3, Sampling(temperature=0.6, top_p=0.95, max_tokens=8192))


def test_a_teacher_that_sees_nothing_reads_the_caption() -> None:
    config = DistillConfig(model="m", sees="nothing", prompt="{{ caption }}\n{{ question }}")
    rows = table(ROW, ROW | {"caption": None})
    [[request]] = converse(STEP, rows, config, lambda r, i: "red")[1]
    assert request.messages[-1].content == ("a red star\nWhat color?\nA) red B) blue",)
    assert run(STEP, rows, config, lambda r, i: "red").drops["reason"].to_list() == ["distill:null_field"]


def test_a_reply_without_an_answer_is_a_trace_without_one() -> None:
    said: list[Reply] = ["It is red. So the answer is red.", {"text": "It is", "finish_reason": "length"}, ""]
    out = run(STEP, table(ROW), DistillConfig(model="m", n=3), lambda r, i: said[i])
    assert out.rows is not None
    assert out.rows.sort("index").select("index", "final", "finish_reason").rows() == [
        (0, "red", "stop"), (1, None, "length"),
    ]  # fmt: skip
    assert out.drops["reason"].to_list() == ["distill:empty"]


def test_a_trace_of_several_sections_has_a_column_for_each() -> None:
    config = DistillConfig(model="m", reply=Form(tags="staged"))
    text = "<SUMMARY>s</SUMMARY><CAPTION>c</CAPTION><REASONING>r</REASONING><CONCLUSION>red</CONCLUSION>"
    out = run(STEP, table(ROW), config, lambda r, i: text)
    assert out.rows is not None
    assert out.rows.select("summary", "caption", "reasoning", "final").rows() == [("s", "c", "r", "red")]
    out = run(STEP, table(ROW), config, lambda r, i: "The answer is red.")
    assert out.drops["reason"].to_list() == ["distill:unreadable"]
