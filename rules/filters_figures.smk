"""Figures of filters: what training does to their spectra, pictures of first layers, and Gabor functions fitted to them."""

FILTER_DATASETS = [dataset for dataset in DATASETS if of_dataset(DRAWN_FILTER_FILES, dataset)]
FILTER_FIGURES = [f"{kind}_{dataset}" for kind in ("filter_spectra", "first_layers") for dataset in FILTER_DATASETS]
FILTER_FIGURES += [f"local_model_filters_{dataset}" for dataset in DATASETS if of_dataset(LOCAL_FILTER_FILES, dataset)]
FILTER_FIGURES += ["gabor"] if DRAWN_FILTER_FILES else []


localrules:
    draw_filter_spectra,
    draw_local_model_filters,
    draw_first_layers,
    draw_gabor,


rule draw_filter_spectra:
    input:
        spectra="results/filter_spectra.nc",
    output:
        svg=report(
            "results/figures/filter_spectra_{dataset}.svg",
            caption="../report/filter_spectra.rst",
            category="Mechanisms",
            labels={"figure": "filters against eigenvalue, depth and epoch", "data set": "{dataset}"},
        ),
        png="results/figures/filter_spectra_{dataset}.png",
    log:
        "results/logs/figures/filter_spectra_{dataset}.log",
    benchmark:
        "results/benchmarks/figures/filter_spectra_{dataset}.tsv"
    params:
        code=code("draw_filter_spectra"),
        dataset="{dataset}",
        local=False,
    script:
        "../workflow_scripts/draw_filter_spectra.py"


rule draw_local_model_filters:
    input:
        spectra="results/filter_spectra.nc",
    output:
        svg=report(
            "results/figures/local_model_filters_{dataset}.svg",
            caption="../report/local_model_filters.rst",
            category="Mechanisms",
            labels={"figure": "filters of local models", "data set": "{dataset}"},
        ),
        png="results/figures/local_model_filters_{dataset}.png",
    log:
        "results/logs/figures/local_model_filters_{dataset}.log",
    benchmark:
        "results/benchmarks/figures/local_model_filters_{dataset}.tsv"
    params:
        code=code("draw_filter_spectra"),
        dataset="{dataset}",
        local=True,
    script:
        "../workflow_scripts/draw_filter_spectra.py"


rule draw_first_layers:
    input:
        filter_spectra=lambda wildcards: of_dataset(DRAWN_FILTER_FILES, wildcards.dataset),
    output:
        svg=report(
            "results/figures/first_layers_{dataset}.svg",
            caption="../report/first_layers.rst",
            category="Mechanisms",
            labels={"figure": "filters of first layers", "data set": "{dataset}"},
        ),
        png="results/figures/first_layers_{dataset}.png",
    log:
        "results/logs/figures/first_layers_{dataset}.log",
    benchmark:
        "results/benchmarks/figures/first_layers_{dataset}.tsv"
    params:
        code=code("draw_first_layers"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/draw_first_layers.py"


rule draw_gabor:
    input:
        filter_spectra=DRAWN_FILTER_FILES,
    output:
        svg=report(
            "results/figures/gabor.svg",
            caption="../report/gabor.rst",
            category="Mechanisms",
            labels={"figure": "Gabor functions fitted to filters"},
        ),
        png="results/figures/gabor.png",
    log:
        "results/logs/figures/gabor.log",
    benchmark:
        "results/benchmarks/figures/gabor.tsv"
    params:
        code=code("draw_gabor"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/draw_gabor.py"
