"""Every exporter by the name of its trainer."""

from pipelines.export.areal import AREAL
from pipelines.export.axolotl import AXOLOTL
from pipelines.export.easyr1 import EASYR1
from pipelines.export.hugging_face import HUGGING_FACE
from pipelines.export.inspect_task import INSPECT
from pipelines.export.llama_factory import LLAMA_FACTORY
from pipelines.export.ms_swift import MS_SWIFT
from pipelines.export.nemo_rl import NEMO_RL
from pipelines.export.openrlhf import OPENRLHF
from pipelines.export.openrlhf_m import OPENRLHF_M
from pipelines.export.rllm import RLLM
from pipelines.export.roll import ROLL
from pipelines.export.sheet import Exporter
from pipelines.export.skyrl import SKYRL
from pipelines.export.slime import SLIME
from pipelines.export.trl import TRL
from pipelines.export.unsloth import UNSLOTH
from pipelines.export.verifiers_package import VERIFIERS
from pipelines.export.verl import VERL
from schemas.errors import ConfigError, nearest

_ALL: tuple[Exporter, ...] = (
    TRL,
    LLAMA_FACTORY,
    VERL,
    EASYR1,
    MS_SWIFT,
    OPENRLHF,
    OPENRLHF_M,
    AXOLOTL,
    UNSLOTH,
    SLIME,
    ROLL,
    SKYRL,
    AREAL,
    NEMO_RL,
    RLLM,
    INSPECT,
    VERIFIERS,
    HUGGING_FACE,
)
EXPORTERS: dict[str, Exporter] = {exporter.name: exporter for exporter in _ALL}


def exporter_of(trainer: str) -> Exporter:
    """The exporter for a trainer. Raises ConfigError where there is none."""
    name = trainer.replace("-", "_").lower()
    if name not in EXPORTERS:
        raise ConfigError(
            f"There is no exporter for '{trainer}'; there are {', '.join(EXPORTERS)}.{nearest(name, EXPORTERS)}"
        )
    return EXPORTERS[name]
