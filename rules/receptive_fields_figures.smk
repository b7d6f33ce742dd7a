"""Figures of receptive fields: pictures of one network, the first VGG that trains (or else the first run), and sizes of all."""

RECEPTIVE_FIELD_FIGURES = ["receptive_field", "receptive_field_sizes"] if EFFECTIVE_FIELD_FILES else []
PICTURED = max(
    runs_with(config, "receptive_fields"),
    key=lambda run: (is_training(config["recipes"][run["recipe"]]), ARCHITECTURES[run["network"]].startswith("vgg")),
    default={},
)


localrules:
    draw_receptive_field,
    draw_receptive_field_sizes,


rule draw_receptive_field:
    input:
        receptive_fields=lambda _: "results/receptive_fields/{dataset}/{network}.nc".format(**PICTURED),
        effective_fields=lambda _: f"{RUN}/effective_receptive_fields.nc".format(**PICTURED),
    output:
        svg=report(
            "results/figures/receptive_field.svg",
            caption="../report/receptive_field.rst",
            category="Receptive fields",
            labels={"figure": "what the neurons of one network see"},
        ),
        png="results/figures/receptive_field.png",
    log:
        "results/logs/figures/receptive_field.log",
    benchmark:
        "results/benchmarks/figures/receptive_field.tsv"
    params:
        code=code("draw_receptive_field"),
    script:
        "../workflow_scripts/draw_receptive_field.py"


rule draw_receptive_field_sizes:
    input:
        summary="results/receptive_fields.nc",
    output:
        svg=report(
            "results/figures/receptive_field_sizes.svg",
            caption="../report/receptive_field_sizes.rst",
            category="Receptive fields",
            labels={"figure": "sizes against depth"},
        ),
        png="results/figures/receptive_field_sizes.png",
    log:
        "results/logs/figures/receptive_field_sizes.log",
    benchmark:
        "results/benchmarks/figures/receptive_field_sizes.tsv"
    params:
        code=code("draw_receptive_field_sizes"),
    script:
        "../workflow_scripts/draw_receptive_field_sizes.py"
