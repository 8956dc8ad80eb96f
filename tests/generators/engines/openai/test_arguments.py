from typing import Any

import pytest

from generators.engines.openai.arguments import check_arguments
from generators.engines.select import check_engine
from schemas.engine import ModelConfig
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (
            {"temprature": 0},
            "'temprature' is no field of the chat completions API. Did you mean 'temperature'.*extra_body",
        ),
        ({"timeout": 3}, "may not hold 'timeout': set `timeout_s`"),
        ({"stream": True}, "may not hold 'stream'"),
        ({"messages": []}, "may not hold 'messages'"),
        ({"extra_body": [1]}, "extra_body holds fields"),
    ],
)
def test_what_is_no_field_of_a_request_is_refused_before_anything_runs(args: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_engine(ModelConfig(model="m", engine="openai", base_urls=("http://localhost:1/v1",), args=args))


def test_fields_and_those_of_vllm_are_taken() -> None:
    check_arguments("m", {"reasoning_effort": "low", "chat_template_kwargs": {}, "extra_body": {"guided": 1}})
    check_arguments("m", {"extra_body": None})
