# Image Search Engine. `make help` explains every target.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
IMAGES ?=
DATA   ?=
# Data sets of the benchmarks; VECTORS is skipped if it doesn't exist.
SIZE    ?= 100000x512
VECTORS ?= ../shared/data/vectors
PHOTOS  ?= ../shared/data/photos/caltech101

KILLS ?= 1000
SEED  ?= 0
EXAMPLES ?= 200
MINUTES ?= 60
FOLDERS ?= 500
# One more than the cores, because many tests wait for a service to start or stop.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Each has its own services, whose networks use all cores, so more would wait for each other.
SLOW_WORKERS ?= 2

# What one worker compiled, the others and the services that they start need not compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo run up images down test test-slow test-portable torture soak fuzz odd-folders check format openapi screenshots bench bench-embed bench-http bench-live bench-scale clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Everything the default settings use, and the `ise` command, into .venv

demo: install ## Ingest IMAGES=folder (or a drawn sample) into data-demo, index, train, search, end
	$(BIN)/python -m demo.run $(if $(DATA),--data "$(DATA)") $(if $(IMAGES),--images "$(IMAGES)")

run: install ## Serve DATA=folder (or ISE_DATA_DIR, or ./data) until Ctrl-C; DATA=data-demo: the demo's
	$(if $(DATA),ISE_DATA_DIR="$(DATA)") $(BIN)/ise up

# The plugin if it is installed, else the separate command.
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

# The tag of the images; `latest` where compose is called without make.
VERSION = $$(sed -n 's/^VERSION = "\(.*\)"$$/\1/p' shared/core/version.py)

up: ## Build the containers and run them until Ctrl-C
	ISE_VERSION="$${ISE_VERSION-$(VERSION)}" $(COMPOSE) up --build

images: ## Build the images for x86-64 and arm64 with buildx, and push them to ISE_REGISTRY
	@test -n "$$ISE_REGISTRY" || { echo "Set ISE_REGISTRY to the registry's name, such as ghcr.io/someone."; exit 1; }
	ISE_VERSION="$${ISE_VERSION-$(VERSION)}" docker buildx bake --file docker-compose.yml --push query indexer embedder

down: ## Stop the containers; their data stays
	$(COMPOSE) down

# Each worker has a core: threads of a pass would wait for each other. `make test-slow` has them.
test: export OMP_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: $(VENV)/.installed-dev ## Every test but the slow ones, on all cores
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-slow: $(VENV)/.installed-dev ## The slow tests, and those on the reference data
	$(BIN)/python -m pytest -m "slow and not alone" --numprocesses $(SLOW_WORKERS) --dist loadfile --no-loadscope-reorder --timeout 900
	$(BIN)/python -m pytest -m "slow and alone"

test-portable: $(VENV)/.installed-dev ## The float-sensitive tests with each engine, and without AVX-512
	$(BIN)/python -m tests.portable --workers $(WORKERS)

torture: $(VENV)/.installed-dev ## Kill the indexer KILLS=1000 times, and check that nothing was lost
	$(BIN)/python -m tests.torture --kills $(KILLS) --seed $(SEED)

soak: $(VENV)/.installed-dev ## Searches, uploads, syncs and builds at once for MINUTES=60; checks memory and open files
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED)

fuzz: $(VENV)/.installed-dev ## Send valid and invalid requests to the services, EXAMPLES per route and phase; minutes
	$(BIN)/python -m tests.fuzz --examples $(EXAMPLES) --seed $(SEED)

odd-folders: $(VENV)/.installed-dev ## Ingest and sync FOLDERS=500 unusual folders; no job fails and no file is lost; minutes
	ISE_ODD_FOLDERS=$(FOLDERS) $(BIN)/python -m pytest -m slow tests/fuzz/test_odd_folders.py

check: $(VENV)/.installed-dev ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(VENV)/.installed-dev ## Generate docs/openapi/*.json from the code
	$(BIN)/python -m scripts.openapi docs/openapi

screenshots: $(VENV)/.installed-dev ## Take the screenshots of the page in docs/images; needs Chromium
	$(BIN)/python -m scripts.screenshots docs/images

BENCH         = $(BIN)/python -m benchmarks
BENCH_SOURCES = --size $(SIZE) $(if $(wildcard $(VECTORS)/base_f16_*.npy),--vectors "$(VECTORS)")

bench: $(VENV)/.installed-bench ## Compare with other libraries, some minutes: speed at equal recall, memory, K-means
	$(BENCH) search $(BENCH_SOURCES)
	$(BENCH) memory-bound --size $(SIZE)
	$(BENCH) kmeans --size $(SIZE)
	$(BENCH) report

bench-embed: $(VENV)/.installed-bench ## Compare the embedder with plain timm, and measure an ingest, with the JPEGs in PHOTOS=folder
	OMP_WAIT_POLICY=passive $(BENCH) embed --photos "$(PHOTOS)"
	$(BENCH) gpu --photos "$(PHOTOS)"
	OMP_WAIT_POLICY=passive $(BENCH) agreement --photos "$(PHOTOS)"
	$(BENCH) ingest --photos "$(PHOTOS)"
	$(BENCH) report

bench-http: $(VENV)/.installed-bench ## Time added to a search by HTTP and the re-rank, with 2,500 and 300,000 images
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BENCH) http --size 2500x1280 --size 300000x512
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BENCH) overhead $(BENCH_SOURCES)
	$(BENCH) report

bench-live: $(VENV)/.installed-bench ## Searches during 10,000 additions and 1,000 deletions
	$(BENCH) live
	$(BENCH) report

bench-scale: $(VENV)/.installed-bench ## 1.7 million x 1536 in little memory, on 20 GB of disk; ROWS= and DIM= make it smaller
	$(BENCH) scale $(if $(ROWS),--rows $(ROWS)) $(if $(DIM),--dim $(DIM))
	$(BENCH) report

clean: ## Remove .venv and caches; your data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt shared/core/version.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# hnswlib is compiled here; libraries that can't be installed are skipped, and the harness says so.
$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]' || \
		for peer in hnswlib lancedb matplotlib milvus-lite pyarrow pymilvus scikit-learn; do \
			$(BIN)/python -m pip install --quiet --constraint constraints.txt $$peer \
				|| echo "$$peer can't be installed here; it is left out."; \
		done
	@touch $@
