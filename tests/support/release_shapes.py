"""Rows of releases as the step `release` makes them, for tests that write a release by hand."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.compiler.compile import Before
from pipelines.job import compile_recipe
from pipelines.release.configs import Shape
from pipelines.steps.release_plan import plan
from pipelines.steps.release_rows import shape_of
from schemas.engine import MediaReader

TAGS = "think_answer_boxed"
RECIPE = f"""\
name: shapes
models: {{vlm: {{model: reference-vlm}}}}
sources:
  - {{type: jsonl, name: rows, path: rows.jsonl, columns: {{tried: [str]}}}}
steps:
  - unfold: {{as: given, column: tried, makes: trace}}
  - rollout: {{model: vlm, tags: {TAGS}}}
  - verify: {{as: scored, of: rollout, tags: {TAGS}}}
  - difficulty
  - split: {{sft: 0.5, rl: 0.3, holdout: 0.2}}
  - select
  - pair: {{of: rollout, chosen: correct, rejected: NOT correct}}
  - release: {{sft: {{of: trace}}, rl: {{of: sample}}, preference: {{of: pair}}, holdout: {{of: sample}}}}
"""


def shapes(media: MediaReader, images: str = "embed") -> dict[str, Shape]:
    """The shapes of `sft`, `rl`, `preference` and `holdout`, and of the extras `control` and `unfiltered`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shapes.yaml"
        path.write_text(RECIPE)
        pipeline = compile_recipe(str(path)).pipeline
    release = pipeline.step("release")
    planned = plan(release.config, Before(pipeline.names, pipeline.before(release)))
    order = ("sft", "rl", "preference", "holdout", "control", "unfiltered")
    return {one.name: shape_of(one, media, images) for one in sorted(planned, key=lambda one: order.index(one.name))}


def row(
    id_: str, question: str, *, options: Sequence[str] = (), media: Sequence[Mapping[str, Any]] = (), **facts: Any
) -> dict[str, Any]:
    """A row from which a record of any of these configs can be made; `facts` are `answer`, `verifier` and what differs."""
    shown = {"prompt:question": question, "prompt:options": list(options), "prompt:media": list(media)}
    own = {
        "id": id_,
        "sample_id": id_,
        "media": list(media),
        "options": list(options),
        "solution": None,
        "written": TAGS,
    }
    counted = {"model": "vlm", "k": 1, "n": 8, "band": "medium", "value": 0.1, "weight": None, "training_order": 0}
    said = {"text": "", "reply_model": "vlm", "reply_index": 0, "reply_gold_visible": False}
    pair = {"pair_chosen": "", "pair_rejected": "", "pair_chosen_model": "vlm", "pair_rejected_model": "vlm"}
    sides = {"side": "rl", "control": False, "released": True, "split_group": None, "group_id": id_}
    source = {"dataset": "given", "row": "0", "license": None}
    return {**shown, **own, **counted, **said, **pair, **sides, "source": source, **facts}
