"""DataDesigner and datatrove put `benchmarks/makespan.py`'s prompts to its server, each through its public interface.

    PYTHON benchmarks/makespan_peers.py datatrove|data_designer URL REQUESTS PLACES FOLDER

Run by a Python that has them: `pip install data-designer datatrove httpx aiofiles aiosqlite`. (`datatrove[inference]` wants
vLLM and SGLang built for CUDA, and does not install on a machine without it.) What neither can do here: both take one
endpoint, so there is no fleet to lose a server of, and neither reads more than one sample of a call. DataDesigner asks what
a row group holds; one that holds all rows is the fastest, and what a stop costs it then is all of them. Prints JSON: the
processor time of this process.
"""

import json
import resource
import sys
from pathlib import Path


def datatrove(url: str, requests: int, places: int, folder: Path) -> None:
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document, generate):
        messages = [{"role": "user", "content": document.text}]
        return await generate({"messages": messages})

    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="m",
        endpoint_url=url.removesuffix("/v1"),
        max_concurrent_generations=places,
        metric_interval=600,
    )
    documents = [Document(text=f"question {i}", id=str(i)) for i in range(requests)]
    runner = InferenceRunner(rollout, config, JsonlWriter(str(folder / "out")))
    LocalPipelineExecutor([documents, runner], tasks=1, logging_dir=str(folder / "logs")).run()


def data_designer(url: str, requests: int, places: int, folder: Path) -> None:
    import data_designer.config as dd
    import pandas as pd
    from data_designer.config.run_config import RunConfig
    from data_designer.interface import DataDesigner

    provider = dd.ModelProvider(name="loopback", endpoint=url, api_key="x")
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    designer.set_run_config(RunConfig(buffer_size=requests, otel_metrics_port=None))
    model = dd.ModelConfig(
        alias="m",
        model="m",
        provider="loopback",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(max_parallel_requests=places),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(
        dd.DataFrameSeedSource(df=pd.DataFrame({"q": [f"question {i}" for i in range(requests)]}))
    )
    builder.add_column(dd.LLMTextColumnConfig(name="answer", model_alias="m", prompt="{{ q }}"))
    designer.create(builder, num_records=requests)


def main() -> None:
    name, url, requests, places, folder = sys.argv[1:]
    {"datatrove": datatrove, "data_designer": data_designer}[name](url, int(requests), int(places), Path(folder))
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write("\n" + json.dumps({"cpu_s": used.ru_utime + used.ru_stime}) + "\n")


if __name__ == "__main__":
    main()
