"""The step `ask`: models are asked about rows, and their replies give columns, or rows of a unit.

All steps that ask models are this one with settings of their own (`generators.presets`).
"""

from generators.asking.body import body
from generators.asking.config import AskConfig
from generators.asking.contract import fan, gives, most, reads
from generators.asking.requests import more, requests
from schemas.step import Asks, StepType

STEP = StepType(
    name="ask",
    summary="asks models about rows; replies give columns or rows",
    version=2,
    config=AskConfig,
    reads=reads,
    gives=gives,
    body=body,
    of="sample",
    asks=Asks(models=lambda config: config.models, requests=requests, more=more, most=most),
    fan=fan,
)
