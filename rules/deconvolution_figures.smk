"""Figures of the deconvolution: pictures of each network, and how large and how smooth they are against depth."""

DECONVOLUTION_PICTURES = "results/figures/deconvolution/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}"
DECONVOLUTION_FIGURES = [str(Path(file).parent).replace("results/runs", "deconvolution") for file in DECONVOLUTION_FILES]
DECONVOLUTION_FIGURES += ["deconvolution"] if DECONVOLUTION_FILES else []


localrules:
    draw_deconvolution_pictures,
    draw_deconvolution,


rule draw_deconvolution_pictures:
    input:
        deconvolution=f"{RUN}/deconvolution.nc",
    output:
        svg=report(
            f"{DECONVOLUTION_PICTURES}.svg",
            caption="../report/deconvolution_pictures.rst",
            category="Deconvolution",
            labels={
                "data set": "{dataset}",
                "network": "{network}",
                "run": "{recipe}, P = {train_size}, seed {seed}",
                "figure": "strongest patches",
            },
        ),
        png=f"{DECONVOLUTION_PICTURES}.png",
    log:
        "results/logs/figures/deconvolution/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}.log",
    benchmark:
        "results/benchmarks/figures/deconvolution/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}.tsv"
    params:
        code=code("draw_deconvolution_pictures"),
    script:
        "../workflow_scripts/draw_deconvolution_pictures.py"


rule draw_deconvolution:
    input:
        summary="results/deconvolution.nc",
    output:
        svg=report(
            "results/figures/deconvolution.svg",
            caption="../report/deconvolution.rst",
            category="Deconvolution",
            labels={"figure": "size and wave number against depth"},
        ),
        png="results/figures/deconvolution.png",
    log:
        "results/logs/figures/deconvolution.log",
    benchmark:
        "results/benchmarks/figures/deconvolution.tsv"
    params:
        code=code("draw_deconvolution"),
    script:
        "../workflow_scripts/draw_deconvolution.py"
