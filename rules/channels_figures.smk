"""Figures of channels: what shuffling them leaves of the stability, and whether rotated neurons are coupled."""

CHANNELS_FIGURES = ["channel_shuffle", "channel_shares"] if SHUFFLE_FILES else []
CHANNELS_FIGURES += ["channel_coupling"] if COUPLING_FILES else []


localrules:
    draw_channel_shuffle,
    draw_channel_shares,
    draw_channel_coupling,


rule draw_channel_shuffle:
    input:
        channel_shuffle="results/channel_shuffle.nc",
    output:
        svg=report(
            "results/figures/channel_shuffle.svg",
            caption="../report/channel_shuffle.rst",
            category="Mechanisms",
            labels={"figure": "standard and shuffled channels"},
        ),
        png="results/figures/channel_shuffle.png",
    log:
        "results/logs/figures/channel_shuffle.log",
    benchmark:
        "results/benchmarks/figures/channel_shuffle.tsv"
    params:
        code=code("draw_channel_shuffle"),
    script:
        "../workflow_scripts/draw_channel_shuffle.py"


rule draw_channel_shares:
    input:
        channel_shuffle="results/channel_shuffle.nc",
    output:
        svg=report(
            "results/figures/channel_shares.svg",
            caption="../report/channel_shares.rst",
            category="Mechanisms",
            labels={"figure": "spatial and channel pooling, layer by layer"},
        ),
        png="results/figures/channel_shares.png",
    log:
        "results/logs/figures/channel_shares.log",
    benchmark:
        "results/benchmarks/figures/channel_shares.tsv"
    params:
        code=code("draw_channel_shares"),
    script:
        "../workflow_scripts/draw_channel_shares.py"


rule draw_channel_coupling:
    input:
        channel_coupling="results/channel_coupling.nc",
    output:
        svg=report(
            "results/figures/channel_coupling.svg",
            caption="../report/channel_coupling.rst",
            category="Mechanisms",
            labels={"figure": "coupling of rotated neurons"},
        ),
        png="results/figures/channel_coupling.png",
    log:
        "results/logs/figures/channel_coupling.log",
    benchmark:
        "results/benchmarks/figures/channel_coupling.tsv"
    params:
        code=code("draw_channel_coupling"),
    script:
        "../workflow_scripts/draw_channel_coupling.py"
