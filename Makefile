.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-slow lint fuzz hil coverage bench bench-firmware bars-firmware bars-trainer bench-search bench-train bench-scale lock clean

BOARD ?= mps2-an386
MODEL ?= out/demo/model.npz
MINUTES ?= 30

# As variables of the shell, in quotes there: a path may hold every character. By `python -m`, because the first line
# of a script in .venv/bin has the path of this folder, which not every character is allowed in.
export BOARD MODEL MINUTES CORPUS
BLSH := .venv/bin/python -m blsh_tools.cli
CORPUS_OPTION := $${CORPUS:+--corpus "$$CORPUS"}
WITH_MODEL := [ ! -f "$$MODEL" ] || set -- --model "$$MODEL";

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is missing: Debian packages (asks for root) and .venv; does nothing when all is there
	@tools/setup.sh

demo: setup ## the whole way in one command: train, generate, build, run on a virtual board [CORPUS=DIR]
	@$(BLSH) demo $(CORPUS_OPTION)

test: lint ## style, types and the tests: a few minutes
	.venv/bin/python -m pytest -m "not slow" -n 2 --dist loadgroup

test-fast: setup ## the quick half of the tests, for the loop of editing: under a minute
	.venv/bin/python -m pytest -m "not slow" -n 2 --dist loadgroup -q $(FAST)

test-slow: setup ## the tests that take minutes each
	.venv/bin/python -m pytest -m slow

lint: setup ## style and types alone
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy
	.venv/bin/python -m importlinter.cli --no-logo --no-cache

fuzz: setup ## search for input that the board's side of the link does not bear [MINUTES=30]
	.venv/bin/python -m blsh_hil.prove.fuzzing --minutes "$$MINUTES"

hil: setup ## the bit-exact suite, on what `make demo` or `blsh generate` left [BOARD=NAME|all MODEL=FILE CORPUS=DIR]
	$(BLSH) hil --board "$$BOARD" --model "$$MODEL" $(CORPUS_OPTION)

coverage: setup ## lines and branches of the C core that the suite executes; fails below 95 % and 90 % [MODEL=FILE CORPUS=DIR]
	$(BLSH) hil --board host --coverage --model "$$MODEL" $(CORPUS_OPTION)

bench: setup ## instructions of each stage, flash and RAM [BOARD=NAME MODEL=FILE]
	$(BLSH) bench --board "$$BOARD" --model "$$MODEL"

bench-firmware: setup ## instructions, flash, RAM and cycles on all boards: ten minutes [CORPUS=DIR MODEL=FILE]
	$(WITH_MODEL) $(BLSH) bench-firmware $(CORPUS_OPTION) "$$@"

bars-firmware: setup ## each bar of the firmware, met or not, of what `make bench-firmware` left [CORPUS=DIR]
	$(BLSH) bars-firmware $(CORPUS_OPTION)

bars-trainer: setup ## each bar of the trainer, met or not, with its figures [CORPUS=DIR MODEL=FILE]
	$(WITH_MODEL) $(BLSH) experiment bars "$${CORPUS:-../shared/corpus}" "$$@"

bench-search: setup ## the search on the host against faiss: time and memory at equal threads
	.venv/bin/python trainer/benchmarks/search.py --output docs/results/bench-search.json

bench-train: setup ## our learner against the paper's in PyTorch: time, objectives, growth [CORPUS=DIR]
	.venv/bin/python trainer/benchmarks/training.py $(CORPUS_OPTION) --output docs/results/bench-train

bench-scale: setup ## training on 2.4 million frames: time and peak memory, measured in part
	.venv/bin/python trainer/benchmarks/scale.py --output docs/results/bench-scale

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "error: uv is missing; install it: pipx install uv" >&2; exit 2; }
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-header --no-annotate -o requirements.lock

clean: ## remove everything that was made here, .venv and results included
	rm -rf .venv .pio build out dist firmware/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
