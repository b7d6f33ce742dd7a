"""Figures of local transforms: α of neurons, their firing, and what the transforms do to their receptive fields."""

ALPHA_FIGURES = expand("neuron_stability_{quantity}_{norm}", quantity=("normalised", "raw"), norm=("displacement", "frobenius"))
TRANSFORM_FIGURES = [*ALPHA_FIGURES, "neuron_firing", "transform_displacement"] if TRANSFORM_FILES else []


localrules:
    draw_neuron_stability,
    draw_neuron_firing,
    draw_transform_displacement,


rule draw_neuron_stability:
    input:
        local_transforms="results/local_transforms.nc",
    output:
        svg=report(
            "results/figures/neuron_stability_{quantity}_{norm}.svg",
            caption="../report/neuron_stability.rst",
            category="Local transforms",
            labels={"figure": "stability of neurons", "α": "{quantity}", "equal": "{norm}"},
        ),
        png="results/figures/neuron_stability_{quantity}_{norm}.png",
    log:
        "results/logs/figures/neuron_stability_{quantity}_{norm}.log",
    benchmark:
        "results/benchmarks/figures/neuron_stability_{quantity}_{norm}.tsv"
    wildcard_constraints:
        quantity="normalised|raw",
        norm="displacement|frobenius",
    params:
        code=code("draw_neuron_stability"),
        quantity=lambda wildcards: wildcards.quantity,
        norm=lambda wildcards: wildcards.norm,
    script:
        "../workflow_scripts/draw_neuron_stability.py"


rule draw_neuron_firing:
    input:
        local_transforms="results/local_transforms.nc",
    output:
        svg=report(
            "results/figures/neuron_firing.svg",
            caption="../report/neuron_firing.rst",
            category="Local transforms",
            labels={"figure": "firing of neurons"},
        ),
        png="results/figures/neuron_firing.png",
    log:
        "results/logs/figures/neuron_firing.log",
    benchmark:
        "results/benchmarks/figures/neuron_firing.tsv"
    params:
        code=code("draw_neuron_firing"),
    script:
        "../workflow_scripts/draw_neuron_firing.py"


rule draw_transform_displacement:
    input:
        local_transforms="results/local_transforms.nc",
    output:
        svg=report(
            "results/figures/transform_displacement.svg",
            caption="../report/transform_displacement.rst",
            category="Local transforms",
            labels={"figure": "displacements in receptive fields"},
        ),
        png="results/figures/transform_displacement.png",
    log:
        "results/logs/figures/transform_displacement.log",
    benchmark:
        "results/benchmarks/figures/transform_displacement.tsv"
    params:
        code=code("draw_transform_displacement"),
    script:
        "../workflow_scripts/draw_transform_displacement.py"
