# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-slow lint lint-here lint-windows format fuzz hil hil-geometry playground docs coverage bench bench-box bench-firmware bars-firmware bars-geometry bars-quality bars-trainer bench-search bench-train bench-scale limits pictures vectors lock wheel test-pythons test-oldest test-newest clean

BOARD ?= mps2-an386
MODEL ?= out/demo/model.npz
MODELS ?= out/geometry
MINUTES ?= 30

# Recipes read these as shell variables, in quotes, because a path may hold any character. They run `python -m`, because
# the scripts of .venv/bin name their interpreter in the first line, where not every path works.
export BOARD MODEL MODELS MINUTES CORPUS EXTRA SMALL EXTENDED KEEP TRAIN
BLSH := .venv/bin/python -m blsh_tools.cli
CORPUS_OPTION := $${CORPUS:+--corpus "$$CORPUS"}
C_FILES := find firmware examples hil_tests/tests tools/tests -name '*.[ch]' -not -path 'firmware/generated/*'
CLANG_FORMAT := .venv/bin/python -c 'from clang_format import clang_format; clang_format()'
WITH_MODEL := [ ! -f "$$MODEL" ] || set -- --model "$$MODEL";

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing: Debian packages (asks for root) and .venv; does nothing when all is there
	@tools/setup.sh

demo: setup ## a trained model as firmware on a virtual board, compared bit for bit; listen [TRAIN=1 CORPUS=DIR]
	@$(BLSH) demo $(CORPUS_OPTION) $${TRAIN:+--train}

# Three processes on two cores, because tests wait for boards and for programs that they start.
test: setup ## style, types, layers, documentation and all tests but the slow ones: twelve minutes
	$(MAKE) --no-print-directory -j2 --output-sync lint docs
	.venv/bin/python -m pytest -m "not slow" -n 3 --dist loadgroup

test-fast: setup ## the tests that neither compile nor emulate nor train: under a minute
	.venv/bin/python -m pytest -m "not slow and not heavy" -n 2 --dist loadgroup -q

test-slow: setup ## the tests that take minutes each
	.venv/bin/python -m pytest -m slow

lint: lint-here lint-windows ## style, types and layers alone

lint-here: setup
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	$(C_FILES) -exec $(CLANG_FORMAT) --dry-run --Werror {} +
	.venv/bin/oxlint --deny-warnings tools/blsh_tools/playground/page tools/blsh_tools/tuning/page
	.venv/bin/python -m mypy
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-logo --no-cache

lint-windows: setup
	.venv/bin/python -m mypy --platform win32 --cache-dir .mypy_cache/win32

format: setup ## give Python and C the style that `make lint` asks for
	.venv/bin/python -m ruff format
	$(C_FILES) -exec $(CLANG_FORMAT) -i {} +

fuzz: setup ## search for serial input that breaks the firmware [MINUTES=30 KEEP=1]
	.venv/bin/python -m blsh_hil.prove.fuzzing --minutes "$$MINUTES" $${KEEP:+--keep}

hil: setup ## prove a board bit for bit, after `make demo` or `blsh generate` [BOARD=NAME|all MODEL=FILE CORPUS=DIR]
	$(BLSH) hil --board "$$BOARD" --model "$$MODEL" $(CORPUS_OPTION)

hil-geometry: setup ## prove every board with the model of each class, after training them [MODELS=DIR CORPUS=DIR]
	@failed=; for model in "$$MODELS"/*.npz; do class="$$(basename "$$model" .npz)"; \
		$(BLSH) generate "$$model" && $(BLSH) hil --board all --model "$$model" $(CORPUS_OPTION) --minutes 0.2 --any-speed \
			--output "out/hil/geometry/$$class" || failed="$$failed $$class"; \
	done; [ -z "$$failed" ] || { echo "not proven:$$failed" >&2; exit 1; }

playground: setup ## one page that denoises in a browser, with the firmware's C: out/playground/index.html [MODELS=DIR]
	$(BLSH) playground $(if $(filter-out file,$(origin MODELS)),"$$MODELS")

docs: setup ## the documentation as a site, for a browser or any file server: out/docs/index.html
	.venv/bin/python -m sphinx -b html -c docs -d out/.docs-cache/doctrees -W --keep-going -q . out/docs

coverage: setup ## lines and branches of the C core that the suite executes; 95 % and 90 % pass [MODEL=FILE CORPUS=DIR]
	$(BLSH) hil --board host --coverage --model "$$MODEL" $(CORPUS_OPTION)

bench: setup ## instructions of each stage, flash and RAM [BOARD=NAME MODEL=FILE]
	$(BLSH) bench --board "$$BOARD" --model "$$MODEL"

bench-box: setup ## scores and costs of the models of the box, beside other denoisers: minutes for each model [CORPUS=DIR]
	$(BLSH) models --renew
	$(BLSH) bench-box "$${CORPUS:-../shared/corpus}"

bench-firmware: setup ## instructions, flash, RAM and cycles on all boards: ten minutes [CORPUS=DIR MODEL=FILE]
	$(WITH_MODEL) $(BLSH) bench-firmware $(CORPUS_OPTION) "$$@"

bars-firmware: setup ## each bar of the firmware, met or not, after `make bench-firmware` [CORPUS=DIR]
	$(BLSH) bars-firmware $(CORPUS_OPTION)

bars-geometry: setup ## each bar of the classes of 64 to 8 ms, met or not, after `make hil-geometry` [CORPUS=DIR MODELS=DIR]
	$(BLSH) bars-geometry "$${CORPUS:-../shared/corpus}" --models "$$MODELS"

bars-quality: setup ## each bar of quality, met or not: minutes for each model [CORPUS=DIR EXTRA=DIR MODEL=FILE SMALL=FILE]
	$(BLSH) bars-quality "$${CORPUS:-../shared/corpus}" --extra "$${EXTRA:-../shared/corpus-extra}" --model "$$MODEL" \
		$${SMALL:+--small "$$SMALL"}

bars-trainer: setup ## each bar of the trainer, met or not, with its figures [CORPUS=DIR EXTENDED=FILE]
	$(BLSH) experiment bars "$${CORPUS:-../shared/corpus}" $${EXTENDED:+--model "$$EXTENDED"}

bench-search: setup ## the search on the host against faiss: time and memory at equal threads
	.venv/bin/python trainer/benchmarks/search.py --output docs/results/bench-search.json

bench-train: setup ## our learner against the paper's in PyTorch: time, objectives, growth [CORPUS=DIR]
	.venv/bin/python trainer/benchmarks/training.py $(CORPUS_OPTION) --output docs/results/bench-train

bench-scale: setup ## training on 2.4 million frames: time and peak memory, measured in part
	.venv/bin/python trainer/benchmarks/scale.py --output docs/results/bench-scale

limits: setup ## what the model of the box does to music, talkers, rooms, low SNR: docs/explain/limits [CORPUS=DIR EXTRA=DIR]
	.venv/bin/python trainer/benchmarks/limits.py "$${CORPUS:-../shared/corpus}" \
		--music "$${EXTRA:-../shared/corpus-extra}" --output docs/explain/limits

pictures: setup ## the pictures of docs/explain/how-it-works.md (needs espeak-ng)
	.venv/bin/python docs/explain/draw_pictures.py

vectors: setup ## renew the committed regression vectors, after an intended change of the arithmetic
	.venv/bin/python -m blsh_hil.prove.regression_vectors

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "error: uv is missing; install it: pipx install uv" >&2; exit 2; }
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-header --no-annotate -o requirements.lock

wheel: setup ## the package to install elsewhere: dist/blsh_mcu-*.whl; the same sources give the same bytes
	rm -rf dist
	.venv/bin/python -m hatchling build -t wheel

test-pythons: wheel ## the quick tests on the wheel, with each Python from 3.11 to 3.13 that is found (needs uv)
	tools/test_versions.sh pythons

test-oldest: wheel ## the quick tests with the lowest versions of the dependencies that pyproject.toml names (needs uv)
	tools/test_versions.sh oldest

test-newest: wheel ## the quick tests with the newest versions of all dependencies, whatever the lock says (needs uv)
	tools/test_versions.sh newest

clean: ## remove everything that was made here, .venv and results included
	rm -rf .venv .pio build out dist firmware/generated docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
