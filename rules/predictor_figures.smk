"""Figures of the predictor around the images, one for each slide of that part."""

PUZZLE_FIGURES = ["image_size", "noisy_samples"]  # rules/puzzle_figures.smk
DIRECTIONS = config["predictor"]["directions"] if PREDICTOR_FILES else []
PREDICTOR_FIGURES = ["directions", "boundary"] if DIRECTIONS else []
PREDICTOR_FIGURES += ["noise_stability", "misclassification"] + PUZZLE_FIGURES if "noise" in DIRECTIONS else []
PREDICTOR_FIGURES += ["interpolations", "interpolation_stability"] if "diffeo" in DIRECTIONS else []


localrules:
    draw_noise_stability,
    draw_misclassification,
    draw_interpolations,
    draw_interpolation_stability,
    draw_directions,
    draw_boundary,


rule draw_noise_stability:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/noise_stability.svg",
            caption="../report/noise_stability.rst",
            category="Predictor around the data",
            labels={"figure": "G/r² against the norm r of noise"},
        ),
        png="results/figures/noise_stability.png",
    log:
        "results/logs/figures/noise_stability.log",
    benchmark:
        "results/benchmarks/figures/noise_stability.tsv"
    params:
        code=code("draw_noise_stability"),
    script:
        "../workflow_scripts/draw_noise_stability.py"


rule draw_misclassification:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/misclassification.svg",
            caption="../report/misclassification.rst",
            category="Predictor around the data",
            labels={"figure": "labels and probabilities against r"},
        ),
        png="results/figures/misclassification.png",
    log:
        "results/logs/figures/misclassification.log",
    benchmark:
        "results/benchmarks/figures/misclassification.tsv"
    params:
        code=code("draw_misclassification"),
    script:
        "../workflow_scripts/draw_misclassification.py"


rule draw_interpolations:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/interpolations.svg",
            caption="../report/interpolations.rst",
            category="Predictor around the data",
            labels={"figure": "deformations and interpolation"},
        ),
        png="results/figures/interpolations.png",
    log:
        "results/logs/figures/interpolations.log",
    benchmark:
        "results/benchmarks/figures/interpolations.tsv"
    params:
        code=code("draw_interpolations"),
    script:
        "../workflow_scripts/draw_interpolations.py"


rule draw_interpolation_stability:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/interpolation_stability.svg",
            caption="../report/interpolation_stability.rst",
            category="Predictor around the data",
            labels={"figure": "relative stability and interpolation"},
        ),
        png="results/figures/interpolation_stability.png",
    log:
        "results/logs/figures/interpolation_stability.log",
    benchmark:
        "results/benchmarks/figures/interpolation_stability.tsv"
    params:
        code=code("draw_interpolation_stability"),
    script:
        "../workflow_scripts/draw_interpolation_stability.py"


rule draw_directions:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/directions.svg",
            caption="../report/directions.rst",
            category="Predictor around the data",
            labels={"figure": "towards other images, worst directions"},
        ),
        png="results/figures/directions.png",
    log:
        "results/logs/figures/directions.log",
    benchmark:
        "results/benchmarks/figures/directions.tsv"
    params:
        code=code("draw_directions"),
    script:
        "../workflow_scripts/draw_directions.py"


rule draw_boundary:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/boundary.svg",
            caption="../report/boundary.rst",
            category="Predictor around the data",
            labels={"figure": "distance to the decision boundary"},
        ),
        png="results/figures/boundary.png",
    log:
        "results/logs/figures/boundary.log",
    benchmark:
        "results/benchmarks/figures/boundary.tsv"
    params:
        code=code("draw_boundary"),
    script:
        "../workflow_scripts/draw_boundary.py"
