"""Figures of the spectra of activations: power against the wave number, mean frequency against depth."""

ACTIVATION_FIGURES = ["activation_spectra", "activation_depth"] if ACTIVATION_FILES else []


localrules:
    draw_activation_spectra,
    draw_activation_depth,


rule draw_activation_spectra:
    input:
        spectra="results/activation_spectra.nc",
    output:
        svg=report(
            "results/figures/activation_spectra.svg",
            caption="../report/activation_spectra.rst",
            category="Mechanisms",
            labels={"figure": "power spectra of activations"},
        ),
        png="results/figures/activation_spectra.png",
    log:
        "results/logs/figures/activation_spectra.log",
    benchmark:
        "results/benchmarks/figures/activation_spectra.tsv"
    params:
        code=code("draw_activation_spectra"),
    script:
        "../workflow_scripts/draw_activation_spectra.py"


rule draw_activation_depth:
    input:
        spectra="results/activation_spectra.nc",
    output:
        svg=report(
            "results/figures/activation_depth.svg",
            caption="../report/activation_depth.rst",
            category="Mechanisms",
            labels={"figure": "mean frequency of activations after each operation"},
        ),
        png="results/figures/activation_depth.png",
    log:
        "results/logs/figures/activation_depth.log",
    benchmark:
        "results/benchmarks/figures/activation_depth.tsv"
    params:
        code=code("draw_activation_depth"),
    script:
        "../workflow_scripts/draw_activation_depth.py"
