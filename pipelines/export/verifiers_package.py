"""verifiers (Prime Intellect): a package of its v1 API for `pip install`, with the prompts of a release and our reward.

Checked against verifiers 0.4.0. It finds a package by its name and in it, by `__all__`, one `Taskset`, and, where there are
any, one `Harness` and one `Env` (`v1/utils/loaders.py`). Both come along: its own default harness is an agent with a shell
in a rented sandbox, while the prompts of a release were measured with one request and no tools.
"""

import re
from collections.abc import Iterable, Mapping

from pipelines.export.environment import SHEETS, first
from pipelines.export.lengths import PROMPT
from pipelines.export.reward_code import requirements
from pipelines.export.sheet import Exported, Exporter, Reward, Start
from pipelines.export.shipped_code import reward_package
from pipelines.export.starting import GROUP, batch
from pipelines.export.verifiers_code import CODE

_PYPROJECT = """[project]
name = "{name}"
version = "{version}"
description = "{release}, a release of curate, as an environment of verifiers"
requires-python = ">=3.11"
dependencies = [{needs}]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
only-include = [{files}]

[tool.hatch.build.targets.wheel.sources]
"" = "{module}"
"""
_EVALUATION = """model = "{model}"
push = false

[client]
base_url = "http://127.0.0.1:8000/v1"
api_key_var = "OPENAI_API_KEY"

[env.taskset]
id = "{id}"
config = "{config}"
"""
_TRAINING = """max_steps = 100
seq_len = {length}

[deployment]
num_train_gpus = 1
num_infer_gpus = 1

[orchestrator]
batch_size = {replies}
group_size = {group}

[orchestrator.train.sampling]
max_completion_tokens = {reply}

[trainer.optim]
lr = 1e-6

[ckpt]

[inference]

"""
_LLM = """[model]
name = "Qwen/Qwen3-4B-Instruct-2507"
"""
_VLM = """[model]
name = "Qwen/Qwen3.5-4B"
impl = "custom"
optimization_dtype = "bfloat16"
reduce_dtype = "bfloat16"

[model.vlm]
vision_encoder_attr = "model.visual"
language_model_attr = "model.language_model"
"""
_SOURCE = """
[[orchestrator.{side}.source]]
name = "{id}-{config}"

[orchestrator.{side}.source.env.taskset]
id = "{id}"
config = "{config}"
"""


def module_of(release: str) -> str:
    """The name by which Python imports the package: `curate_quickstart` of `quickstart/v1`."""
    return "curate_" + re.sub(r"\W+", "_", release.split("/", 1)[0].lower(), flags=re.ASCII).strip("_")


def _package(exported: Exported) -> Mapping[str, str]:
    label = exported.release.label
    images = ["images"] if exported.release.has_images else []
    names = ["__init__.py", "requirements.txt", reward_package(), *images, *(s.files for s in exported.sheets.values())]
    needs = ["verifiers>=0.4,<0.5", "httpx>=0.27", *requirements(exported.verifiers)]
    facts = {"module": module_of(label), "version": label.rsplit("/v", 1)[-1], "release": label}
    return {
        "pyproject.toml": _PYPROJECT.format(name=_id(exported), **facts, files=_listed(names), needs=_listed(needs))
    }


def _id(exported: Exported) -> str:
    return module_of(exported.release.label).replace("_", "-")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _evaluation(sheet: str, exported: Exported) -> str:
    return _EVALUATION.format(model=exported.model, id=_id(exported), config=sheet)


def _training(sheet: str, exported: Exported) -> str:
    train = _SOURCE.format(side="train", id=_id(exported), config=sheet)
    held = _SOURCE.format(side="eval", id=_id(exported), config="holdout") if "holdout" in exported.sheets else ""
    reply = exported.reply_tokens
    sizes = {
        "replies": GROUP * batch(16, exported.rows[sheet]),
        "group": GROUP,
        "reply": reply,
        "length": PROMPT + reply,
    }
    return _TRAINING.format(**sizes) + (_VLM if exported.release.has_images else _LLM) + train + held


VERIFIERS = Exporter(
    name="verifiers",
    project="https://github.com/PrimeIntellect-ai/verifiers",
    sheets=SHEETS,
    reward=Reward("__init__.py", CODE),
    files=_package,
    starts=(
        Start("holdout", "toml", "vf-eval @ {file}", _evaluation),
        Start("rl", "toml", "uv run rl @ {file}", _training),
    ),
    keeps_order="verifiers keeps it, unless `--select.shuffle` is given.",
    installs="pip install .",
    usage=lambda exported: (
        f"""
`pip install .` is for the environment of `verifiers` or of prime-rl (not `-e`: the folder itself becomes the package).
`pyproject.toml` has the package's name, by which it is found:
`vf-eval NAME --env.taskset.config {first(exported, "holdout", "rl")} -m MODEL`.
`config` may be any dataset below, and is `{first(exported, "rl", "holdout")}` unless it is given.
`--env.taskset.task.rewards.format.weight 0.1`, and `0.9`
for `accuracy`, give the layout a share of the reward.
"""
    ),
)
