"""Every exporter by the name of its trainer."""

from pipelines.export.easyr1 import EasyR1
from pipelines.export.hugging_face import HuggingFace
from pipelines.export.llama_factory import LlamaFactory
from pipelines.export.ms_swift import MsSwift
from pipelines.export.openrlhf import OpenRLHF
from pipelines.export.sheet import Exporter
from pipelines.export.trl import TRL
from pipelines.export.verl import Verl
from schemas.errors import ConfigError

_ALL: tuple[Exporter, ...] = (
    TRL(),
    LlamaFactory(),
    Verl(),
    EasyR1(),
    MsSwift(),
    OpenRLHF(),
    HuggingFace(),
)
EXPORTERS: dict[str, Exporter] = {exporter.name: exporter for exporter in _ALL}


def exporter_of(trainer: str) -> Exporter:
    """The exporter for a trainer. Raises ConfigError where there is none."""
    name = trainer.replace("-", "_").lower()
    if name not in EXPORTERS:
        raise ConfigError(f"There is no exporter for '{trainer}'; there are {', '.join(EXPORTERS)}.")
    return EXPORTERS[name]
