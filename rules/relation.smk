"""The test error against the stability of the trained networks: one table, and its figures."""

RELATED_RUNS = [run for run in usual(runs_with(config, "stability")) if is_training(config["recipes"][run["recipe"]])]
RELATED_POINTS = {tuple(run[name] for name in ("dataset", "network", "recipe", "train_size")) for run in RELATED_RUNS}
RELATED_CURVES = {point[:3] for point in RELATED_POINTS}  # over train sizes
RELATION_FILES = ["results/error_relation.nc"] if STABILITY_FILES else []
RELATION_FIGURES = ["error_against_stability"] if STABILITY_FILES and RELATED_RUNS else []
RELATION_FIGURES += ["learning_curves"] if STABILITY_FILES and len(RELATED_POINTS) > len(RELATED_CURVES) else []


localrules:
    summarise_error_relation,
    draw_error_against_stability,
    draw_learning_curves,


rule summarise_error_relation:
    input:
        summary="results/summary.nc",
    output:
        relation="results/error_relation.nc",
    log:
        "results/logs/error_relation.log",
    benchmark:
        "results/benchmarks/error_relation.tsv"
    params:
        code=code("summarise_error_relation"),
        settings=config["summary"],
        collections={dataset: config["datasets"][dataset]["collection"] for dataset in CALIBRATED},
    script:
        "../workflow_scripts/summarise_error_relation.py"


rule draw_error_against_stability:
    input:
        relation="results/error_relation.nc",
    output:
        svg=report(
            "results/figures/error_against_stability.svg",
            caption="../report/error_against_stability.rst",
            category="Relative stability",
            labels={"figure": "test error"},
        ),
        png="results/figures/error_against_stability.png",
    log:
        "results/logs/figures/error_against_stability.log",
    benchmark:
        "results/benchmarks/figures/error_against_stability.tsv"
    params:
        code=code("draw_error_against_stability"),
    script:
        "../workflow_scripts/draw_error_against_stability.py"


rule draw_learning_curves:
    input:
        relation="results/error_relation.nc",
    output:
        svg=report(
            "results/figures/learning_curves.svg",
            caption="../report/learning_curves.rst",
            category="Relative stability",
            labels={"figure": "against the number of training images"},
        ),
        png="results/figures/learning_curves.png",
    log:
        "results/logs/figures/learning_curves.log",
    benchmark:
        "results/benchmarks/figures/learning_curves.tsv"
    params:
        code=code("draw_learning_curves"),
    script:
        "../workflow_scripts/draw_learning_curves.py"
