# make search   set up what is missing, then run the main job
# make test     set up what is missing, then pass the tests
# make slow     the tests that take minutes each
# make bench    what is measured, and how

# Python 3.11 or newer; say PYTHON=... to choose one.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q install --no-compile

# The tests of one file stay together: some look at all that a file's processes leave behind.
# One process more than there are processors, as some tests wait; each with one thread for its small matrices.
PARALLEL := -n $(shell count=$$(nproc 2>/dev/null || echo 2); echo $$((count < 4 ? count + 1 : 4))) --dist loadfile --no-loadscope-reorder
test slow: export OPENBLAS_NUM_THREADS := 1

# Tests start hundreds of processes, and each needs the byte code of a thousand modules.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help search test slow lint browser bench clean

help:
	@sed -n 's/^# //p' Makefile | sed -n 1,4p

search: $(VENV)/runtime
	$(BIN)/personaevo search $(ARGS)

# mypy takes half a minute the first time: it runs beside the first tests, and its findings come last.
test: browser $(VENV)/dev
	$(BIN)/ruff check .
	@$(BIN)/mypy >$(VENV)/mypy.txt 2>&1 & types=$$!; \
	$(BIN)/python -m pytest -q --durations 10 $(PARALLEL) $(ARGS); tests=$$?; \
	wait $$types; types=$$?; echo "mypy: $$(cat $(VENV)/mypy.txt)"; exit $$((tests + types))

slow: $(VENV)/dev
	$(BIN)/python -m pytest -q -m slow $(ARGS)
	$(BIN)/python -m pytest -q -m "hypothesis and not slow" --hypothesis-profile=new $(PARALLEL) $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# The page of archive report is looked at in a real browser.
SUDO := $(shell test "$$(id -u)" = 0 || command -v sudo)
browser:
	@command -v chromium >/dev/null || { echo "installing chromium for the tests of archive report (once)" >&2; \
		$(SUDO) apt-get update -qq >&2 && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
		{ echo "the tests need chromium, and apt-get could not install it: install it so that the command chromium is found" >&2; exit 1; }

bench:
	@echo "Each prints its figures: $(BIN)/python -m benchmarks.NAME (after make test)"
	@for file in benchmarks/*.py; do printf '  %-20s ' "$$(basename $$file .py)"; sed -n '1s/^"""//;1s/"""$$//;1p' $$file; done

clean:
	rm -rf $(VENV) build dist

# --no-compile keeps the environment small: Python compiles what it uses. What tests use is compiled once, when the environment is set up,
# and not by several processes at the same time.
$(VENV)/runtime: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON) (once)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime
	@$(PIP) -e '.[dev]'
	@$(BIN)/python -m pytest -q --collect-only >/dev/null 2>&1 || true
	@touch $@
