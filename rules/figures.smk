"""Figures: svg for the report, png of the same name beside it."""

USUAL_TRAINING_FILES = [f"{RUN}/training.nc".format(**run) for run in usual(TRAINING_RUNS)]

FIGURES = [f"{kind}_{dataset}" for kind in ("samples", "calibration") for dataset in CALIBRATED]
FIGURES += ["training_curves"] if USUAL_TRAINING_FILES else []
STABILITY_FIGURES = (
    ["stability_bars", "stability_curves", "depth"] if usual(runs_with(config, "stability")) and STABILITY_FILES else []
)
FIGURES += STABILITY_FIGURES
FIGURES += RELATION_FIGURES
FIGURES += PREDICTOR_FIGURES
FIGURES += MECHANISM_FIGURES
FIGURES += FILTER_FIGURES
FIGURES += ACTIVATION_FIGURES
FIGURES += CHANNELS_FIGURES
FIGURES += LOCAL_FIGURES
FIGURES += FIELD_FIGURES
FIGURES += DECONVOLUTION_FIGURES
FIGURES += RECEPTIVE_FIELD_FIGURES
FIGURES += TRANSFORM_FIGURES
FIGURE_FILES = figure_files(FIGURES)


localrules:
    draw_samples,
    draw_calibration,
    draw_training_curves,
    draw_stability_bars,
    draw_stability_curves,
    draw_depth,


rule draw_samples:
    input:
        calibration=expand(CALIBRATION, cutoff=config["deformations"]["cutoffs"], allow_missing=True),
    output:
        svg=report(
            "results/figures/samples_{dataset}.svg",
            caption="../report/samples.rst",
            category="Deformations",
            labels={"data set": "{dataset}", "figure": "samples"},
        ),
        png="results/figures/samples_{dataset}.png",
    log:
        "results/logs/figures/samples_{dataset}.log",
    benchmark:
        "results/benchmarks/figures/samples_{dataset}.tsv"
    params:
        code=code("draw_samples"),
        interpolation=config["summary"]["interpolation"],
    script:
        "../workflow_scripts/draw_samples.py"


rule draw_calibration:
    input:
        calibration=expand(CALIBRATION, cutoff=config["deformations"]["cutoffs"], allow_missing=True),
    output:
        svg=report(
            "results/figures/calibration_{dataset}.svg",
            caption="../report/calibration.rst",
            category="Deformations",
            labels={"data set": "{dataset}", "figure": "calibration"},
        ),
        png="results/figures/calibration_{dataset}.png",
    log:
        "results/logs/figures/calibration_{dataset}.log",
    benchmark:
        "results/benchmarks/figures/calibration_{dataset}.tsv"
    params:
        code=code("draw_calibration"),
    script:
        "../workflow_scripts/draw_calibration.py"


rule draw_training_curves:
    input:
        training=USUAL_TRAINING_FILES,
    output:
        svg=report(
            "results/figures/training_curves.svg",
            caption="../report/training_curves.rst",
            category="Training",
            labels={"figure": "error and loss"},
        ),
        png="results/figures/training_curves.png",
    log:
        "results/logs/figures/training_curves.log",
    benchmark:
        "results/benchmarks/figures/training_curves.tsv"
    params:
        code=code("draw_training_curves"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/draw_training_curves.py"


rule draw_stability_bars:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/stability_bars.svg",
            caption="../report/stability_bars.rst",
            category="Relative stability",
            labels={"figure": "at initialisation and trained"},
        ),
        png="results/figures/stability_bars.png",
    log:
        "results/logs/figures/stability_bars.log",
    benchmark:
        "results/benchmarks/figures/stability_bars.tsv"
    params:
        code=code("draw_stability_bars"),
        settings=config["summary"],
    script:
        "../workflow_scripts/draw_stability_bars.py"


rule draw_stability_curves:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/stability_curves.svg",
            caption="../report/stability_curves.rst",
            category="Relative stability",
            labels={"figure": "against the norm r"},
        ),
        png="results/figures/stability_curves.png",
    log:
        "results/logs/figures/stability_curves.log",
    benchmark:
        "results/benchmarks/figures/stability_curves.tsv"
    params:
        code=code("draw_stability_curves"),
        interpolation=config["summary"]["interpolation"],
    script:
        "../workflow_scripts/draw_stability_curves.py"


rule draw_depth:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/depth.svg",
            caption="../report/depth.rst",
            category="Relative stability",
            labels={"figure": "against depth"},
        ),
        png="results/figures/depth.png",
    log:
        "results/logs/figures/depth.log",
    benchmark:
        "results/benchmarks/figures/depth.tsv"
    params:
        code=code("draw_depth"),
        settings=config["summary"],
    script:
        "../workflow_scripts/draw_depth.py"
