"""What all runs say together: one tidy dataset, and the claims of the slides decided on it."""

SOURCES_OF_CLAIMS = ["results/summary.nc"] if STABILITY_FILES else []
SOURCES_OF_CLAIMS += RELATION_FILES
SOURCES_OF_CLAIMS += ["results/predictor.nc"] if PREDICTOR_FILES else []
SOURCES_OF_CLAIMS += ["results/filter_spectra.nc"] if FILTER_FILES else []
SOURCES_OF_CLAIMS += ["results/activation_spectra.nc"] if ACTIVATION_FILES else []
SOURCES_OF_CLAIMS += ["results/channel_shuffle.nc"] if SHUFFLE_FILES else []
SOURCES_OF_CLAIMS += ["results/channel_coupling.nc"] if COUPLING_FILES else []
SOURCES_OF_CLAIMS += FIELD_FILES
SOURCES_OF_CLAIMS += ["results/receptive_fields.nc"] if EFFECTIVE_FIELD_FILES else []
SOURCES_OF_CLAIMS += ["results/local_transforms.nc"] if TRANSFORM_FILES else []
CLAIM_FILES = ["results/claims.nc", "results/claims.md", "results/claims.html"]
SUMMARY_FILES = SOURCES_OF_CLAIMS + CLAIM_FILES if SOURCES_OF_CLAIMS else []


localrules:
    summarise,
    summarise_predictor,
    decide_claims,


rule summarise:
    input:
        stability=STABILITY_FILES,
        training=TRAINING_FILES,
        data=expand("results/data/{dataset}.nc", dataset=CALIBRATED),
    output:
        summary="results/summary.nc",
    log:
        "results/logs/summary.log",
    benchmark:
        "results/benchmarks/summary.tsv"
    params:
        code=code("summarise"),
        architectures=ARCHITECTURES,
        networks={
            network: network_block(network) for network in sorted({run["network"] for run in runs_with(config, "stability")})
        },
    script:
        "../workflow_scripts/summarise.py"


rule summarise_predictor:
    input:
        predictor=PREDICTOR_FILES,
    output:
        summary="results/predictor.nc",
    log:
        "results/logs/predictor.log",
    benchmark:
        "results/benchmarks/predictor.tsv"
    params:
        code=code("summarise_predictor"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_predictor.py"


rule decide_claims:
    input:
        sources=SOURCES_OF_CLAIMS,
    output:
        claims="results/claims.nc",
        table="results/claims.md",
        page=report("results/claims.html", caption="../report/claims.rst", category="Claims"),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    params:
        code=code("decide_claims"),
        settings=config["summary"],
    script:
        "../workflow_scripts/decide_claims.py"
