"""Figures of the puzzle: why the bump is at so little noise per pixel on large images."""


localrules:
    draw_image_size,
    draw_noisy_samples,


rule draw_image_size:
    input:
        predictor="results/predictor.nc",
    output:
        svg=report(
            "results/figures/image_size.svg",
            caption="../report/image_size.rst",
            category="Predictor around the data",
            labels={"figure": "size of the images"},
        ),
        png="results/figures/image_size.png",
    log:
        "results/logs/figures/image_size.log",
    benchmark:
        "results/benchmarks/figures/image_size.tsv"
    params:
        code=code("draw_image_size"),
    script:
        "../workflow_scripts/draw_image_size.py"


rule draw_noisy_samples:
    input:
        predictor="results/predictor.nc",
        data=expand("results/data/{dataset}.nc", dataset=sorted({run["dataset"] for run in runs_with(config, "predictor")})),
    output:
        svg=report(
            "results/figures/noisy_samples.svg",
            caption="../report/noisy_samples.rst",
            category="Predictor around the data",
            labels={"figure": "noise at the bump"},
        ),
        png="results/figures/noisy_samples.png",
    log:
        "results/logs/figures/noisy_samples.log",
    benchmark:
        "results/benchmarks/figures/noisy_samples.tsv"
    params:
        code=code("draw_noisy_samples"),
        seed=config["deformations"]["seed"],
    script:
        "../workflow_scripts/draw_noisy_samples.py"
