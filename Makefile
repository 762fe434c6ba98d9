# Everything a fresh machine needs: `make train` runs the main job, `make test` the tests; both set the machine up first.
# Variables: TORCH="torch --index-url ..."  what pip is asked for when .venv has no torch yet (options are passed on)
#            PYTHON=python3.12              the interpreter .venv is made with
#            ARGS="--seed 1"                more flags for `rlef train`, or for pytest

PYTHON ?= python3
TORCH ?= torch==2.13.0
ARGS ?=
export TORCH

bin := .venv/bin
# The installation is redone when one of these changes.
key := $(shell { cat pyproject.toml; echo '$(TORCH)'; } | sha256sum | cut -c1-16)
installed := .venv/.installed-$(key)
pip := $(bin)/python -m pip --disable-pip-version-check --quiet
say := @echo setup:
# PyPI's own build for x86_64 is the one with CUDA; where PyTorch's index answers, the build for processors is taken.
cpu := https://download.pytorch.org/whl/cpu
reach := import urllib.request as u; u.urlopen("$(cpu)/", timeout=5); print("--extra-index-url $(cpu)")

# Updates are faster with compiled layers, and go on without them where there is no compiler.
compiler := command -v c++ >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	echo "setup: installing a C++ compiler, for faster training" && \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ python3-dev >/dev/null; } || \
	echo "setup: no C++ compiler; training works without one, slower (Debian: apt-get install g++ python3-dev)"

.PHONY: help setup train test lint clean

help:
	@echo "make setup   make .venv, install, start a Docker Engine, build the sandbox image, take the model (cached)"
	@echo "make train   setup, then the main job: rlef train  (more flags: ARGS=\"...\")"
	@echo "make test    setup, then lint, types and tests     (more pytest flags: ARGS=\"...\")"
	@echo "make lint    ruff and mypy, without setup"
	@echo "make clean   remove .venv and caches; runs stay"

setup: $(installed)
	@$(compiler)
	@sh docker/engine.sh
	@sh docker/image.sh
	@model=$$($(bin)/python -m rlef.policies.embedded) && echo "setup: the model is in $$model"

train: setup
	$(bin)/rlef train $(ARGS)

test: setup
	@$(MAKE) --no-print-directory lint
	@# 5: ARGS select none of these
	OMP_NUM_THREADS=1 $(bin)/python -m pytest -n 2 --dist loadfile -m "not alone" $(ARGS) || [ $$? = 5 ]
	$(bin)/python -m pytest -m alone $(ARGS) || [ $$? = 5 ]

lint:
	$(bin)/ruff check .
	$(bin)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(installed): $(bin)/pip
	$(say) installing rlef and its dependencies into .venv '(a few minutes the first time)'
	@$(bin)/python -c 'import importlib.metadata as m; print("setup: .venv has torch", m.version("torch"))' 2>/dev/null \
	  || { echo "setup: installing $$TORCH"; \
	       index=$$($(bin)/python -c '$(reach)' 2>/dev/null) || true; $(pip) install $$TORCH $$index; }
	@$(pip) install -e '.[dev]'
	@rm -f .venv/.installed-*
	@touch $@
	$(say) installed

# Debian splits ensurepip off into python3-venv. Without it, the pip that came with the machine can fill an empty .venv.
# The target is pip, which comes last: a .venv whose making was interrupted is made again.
$(bin)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: RLEF needs Python 3.11 or newer and '$(PYTHON)' is not; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(say) making .venv with $$($(PYTHON) --version)
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
	  $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --quiet --python $(bin)/python install pip; } || { \
	  rm -rf .venv; \
	  echo "setup: $(PYTHON) can make no virtual environment; install its venv module (Debian: apt-get install python3-venv)" >&2; exit 2; }
