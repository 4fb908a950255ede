# Two commands on a fresh machine: `make demo` and `make test`. Everything else is a part of them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Biome, pinned by package-lock.json; Node.js is a wheel in the environment.
NODE_READY := node_modules/.package-lock.json
BIOME := $(BIN)/node node_modules/@biomejs/biome/bin/biome
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

.PHONY: setup demo test quick stress coverage fuzz check wheel sbom bench screens docs format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "OddPixel needs Python 3.11 or newer: make setup PYTHON=python3.11"; exit 2; }
	@started=$$SECONDS; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	touch $(READY); \
	echo "setup took $$((SECONDS - started)) s"

$(NODE_READY): package.json package-lock.json .npmrc $(READY)
	@$(BIN)/npm ci --silent
	@touch $@

demo: setup
	@started=$$SECONDS; $(BIN)/python -m oddpixel demo -o demo; echo "demo took $$((SECONDS - started)) s"; \
	case "$${SHELL:-}" in *fish) how=activate.fish;; *csh) how=activate.csh;; *) how=activate;; esac; \
	echo; echo "To go on in this shell:  source $(BIN)/$$how"; \
	echo "then:                    oddpixel dashboard demo/run"; \
	echo "all four jobs:           oddpixel"

test: setup
	@started=$$SECONDS; $(BIN)/python -m pytest -n 2 --dist worksteal -m "not stress"; echo "tests took $$((SECONDS - started)) s"

quick: setup
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not stress" -x -q

# Kills, changes at random, many users at once: the same again and again, ten minutes of it.
stress: setup
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m stress

coverage: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -q --cov=oddpixel --cov-report=term:skip-covered

fuzz: setup
	$(BIN)/python -m tests.fuzz

check: setup $(NODE_READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/typos
	$(BIOME) check --error-on-warnings
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The same bytes for the same commit, wherever it is built.
wheel: setup
	rm -rf build dist/*.whl
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	@cd dist && sha256sum *.whl | tee SHA256SUMS

# What is installed with the wheel, package by package (CycloneDX), out of an environment that holds nothing else.
sbom: wheel
	rm -rf dist/environment dist/tool && $(PYTHON) -m venv dist/environment && $(PYTHON) -m venv dist/tool
	dist/tool/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom==7.5.0'
	dist/environment/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	dist/environment/bin/python -m pip uninstall --quiet --yes pip setuptools
	dist/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.json dist/environment
	rm -rf dist/environment dist/tool

bench: setup
	$(BIN)/python -m oddpixel bench all

screens: setup
	$(BIN)/python -m tests.dashboards.screens docs/dashboard
	$(BIN)/python -m tests.readme_pictures docs

docs: setup
	$(BIN)/python -m oddpixel.commands.reference docs/cli.md
	$(BIN)/python -m tests.datasets.format_table
	$(BIN)/python -m tests.figures
	$(BIN)/python -m pytest -q tests/test_docs.py

format: setup $(NODE_READY)
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format --quiet
	$(BIOME) check --write

clean:
	rm -rf $(VENV) node_modules build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache demo
