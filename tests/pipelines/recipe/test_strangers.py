# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""A recipe holds no secret, sends no variable that is not meant for a server, and runs nothing unless it is trusted."""

from collections.abc import Callable

import pytest

from pipelines.recipe.document import Document

Load = Callable[..., Document]
Refusal = Callable[..., str]

SECRET = "S3cretPlanted0123456789"


def whole(models: str = "", source: str = "", step: str = "quality") -> str:
    return f"name: t\nmodels: {{m: {{model: x/y, engine: openai, {models}}}}}\nsources: [{{type: jsonl, name: s, path: q, {source}}}]\nsteps:\n- {step}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (whole(f"base_urls: ['http://alice:{SECRET}@127.0.0.1:1/v1']"), "r.yaml:2: 'models.m.base_urls.0' holds a password in an address"),
        (whole(f"base_urls: ['https://{SECRET}@host/v1']"), "'models.m.base_urls.0' holds a user name or password in an address"),
        (whole(f"base_urls: ['https://host/v1?api_key={SECRET}']"), "'models.m.base_urls.0' holds a key in the query of an address"),
        (whole(f"args: {{extra_headers: {{Authorization: 'Bearer sk-{SECRET}'}}}}"), "'models.m.args.extra_headers' may hold a key"),
        (whole(f"args: {{extra_headers: {{X-Anything: {SECRET}}}}}"), "`headers_env: {X-Key: CURATE_LAB_KEY}` for another header"),
        (whole(f"args: {{extra_query: {{api_key: {SECRET}}}}}"), "'models.m.args.extra_query' may hold a key"),
        (whole(f"args: {{api_key: {SECRET}}}"), "name a variable of the environment instead: `api_key_env: LAB_API_KEY`"),
        (whole(f"args: {{extra_body: {{auth_token: {SECRET}}}}}"), "'models.m.args.extra_body.auth_token' may hold a key"),
        (whole(f"args: {{stop: ['hf_{SECRET}']}}"), "'models.m.args.stop.0' holds a token"),
        (whole("api_key_env: AWS_SECRET_ACCESS_KEY"), "'models.m.api_key_env' 'AWS_SECRET_ACCESS_KEY' is no variable that a recipe may"),
        (whole(f"api_key_env: sk-{SECRET}"), "'models.m.api_key_env' it holds what is no variable that a recipe may have sent"),
        (whole("headers_env: {X-Key: HOME}"), "'models.m.headers_env.X-Key' 'HOME' is no variable that a recipe may have sent"),
        (whole("headers_env: {'X Key': LAB_API_KEY}"), "'models.m.headers_env.X Key' is no name of a header of HTTP"),
        (whole(source=f"url: 'https://a:{SECRET}@host/data'"), "r.yaml:3: 'sources.0.url' holds a password in an address"),
        (whole(source=f"license: 'see https://host/x?token={SECRET}&sig=1'"), "'sources.0.license' holds a key in the query"),
        (whole(source=f"image_root: 's3://k:{SECRET}@bucket'"), "AWS_ACCESS_KEY_ID"),
        (whole(source=f"image_root: 'https://h/d?X-Amz-Signature={SECRET}'"), "'sources.0.image_root' holds a key in the query"),
        (whole(step=f"ask: {{prompt: 'Use sk-{SECRET}'}}"), "r.yaml:5: 'steps.ask.prompt' holds a token, and a recipe goes out with its release"),
        (f"description: 'My key is hf_{SECRET}'\n{whole()}", "r.yaml:1: 'description' holds a token"),
        (whole("args: {trust_remote_code: true}"), "r.yaml:2: 'models.m.args.trust_remote_code' runs code that is not curate's"),
        (whole("args: {worker_cls: evil.Worker}"), "then add --trust"),
        (whole("args: {attn_implementation: evil/kernel}"), "'models.m.args.attn_implementation' runs code"),
        (whole("args: {reasoning_parser_plugin: /x.py}"), "'models.m.args.reasoning_parser_plugin' runs code"),
    ],
)  # fmt: skip
def test_it_is_refused_with_the_way_to_do_it_and_shows_no_secret(text: str, sentence: str, refusal: Refusal) -> None:
    said = refusal(text, whole=True)
    assert sentence in said and SECRET not in said and len(said.splitlines()) == 1


def test_what_is_trusted_and_what_holds_no_secret_is_taken(load: Load) -> None:
    args = "args: {trust_remote_code: true, attn_implementation: evil/kernel}"
    assert load(whole(args), whole=True, trust=True).models["m"].args["trust_remote_code"] is True
    kept = "base_urls: ['http://127.0.0.1:1/v1'], api_key_env: LAB_API_KEY, headers_env: {X-Key: CURATE_KEY}"
    document = load(
        whole(f"{kept}, args: {{max_tokens: 4, trust_remote_code: false, attn_implementation: sdpa}}"), whole=True
    )
    assert document.models["m"].headers_env == {"X-Key": "CURATE_KEY"}
    assert "headers_env" not in document.to_json()["models"]["m"]


@pytest.mark.parametrize(
    "option",
    [
        f"models.m.args.api_key={SECRET}",
        f"models.m.args.extra_headers={{Authorization: Bearer {SECRET}}}",
        f"models.m.base_urls=['http://a:{SECRET}@host/v1']",
        f"models.m.api_key={SECRET}",
        f"models.nobody.args.api_key={SECRET}",
        f"models.m.concurrency=sk-{SECRET}",
        f"models.m.args.password={SECRET}: {{",
    ],
)
def test_no_message_about_set_shows_a_secret(option: str, refusal: Refusal) -> None:
    assert SECRET not in refusal(whole(), option, whole=True)


def test_no_message_about_a_wrong_value_shows_a_secret(refusal: Refusal) -> None:
    for wrong in (f"timeout_s: sk-{SECRET}", f"password: {SECRET}", f"concurrency: {{api_key: {SECRET}}}"):
        assert SECRET not in refusal(whole(wrong), whole=True)
