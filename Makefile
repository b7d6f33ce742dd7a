# `make reproduce` and `make test` need Python 3.11 or later and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config.yaml

.PHONY: reproduce test check format docs gallery bench lock clean

reproduce: $(VENV)/.installed
	$(BIN)/snakemake --cores all --configfile $(CONFIG)
	$(BIN)/snakemake --configfile $(CONFIG) --report results/report.html

test: $(VENV)/.installed
	$(BIN)/pytest --numprocesses auto

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# The page of result files is made from the smoke experiment, in a folder of its own.
docs: $(VENV)/.installed
	$(BIN)/python -m workflow_scripts.support.document_configuration > docs/configuration.md
	$(BIN)/python -m workflow_scripts.support.document_networks > docs/networks.md
	$(BIN)/snakemake --cores all --directory .docs --configfile configs/smoke.yaml
	$(BIN)/python -m workflow_scripts.support.document_results .docs/results > docs/results.md

# The default experiment, and another run in a folder of its own: half an hour on 2 cores if nothing is there yet.
gallery: $(VENV)/.installed
	$(BIN)/snakemake --cores all
	$(BIN)/snakemake --cores all --directory .gallery --configfile configs/error_relation.yaml
	$(BIN)/python -m workflow_scripts.support.document_gallery results .gallery/results docs/pictures > docs/.gallery.md
	mv docs/.gallery.md docs/gallery.md

# With the allocator settings that the rules give their jobs (rules/common.smk); a quarter of an hour on 2 cores.
bench: $(VENV)/.installed
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864 \
	  $(BIN)/python -m benchmarks.page > docs/.benchmarks.md && mv docs/.benchmarks.md docs/benchmarks.md

lock:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --requirement requirements.in
	{ echo "# Every package the project needs, pinned (made by \`make lock\` from requirements.in)."; \
	  $(BIN)/pip freeze | sed -E 's/^(nvidia-|cuda-|triton).*/& ; sys_platform == "linux"/'; } > requirements.txt

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

clean:
	rm -rf results .snakemake .docs .gallery
