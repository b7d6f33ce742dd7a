"""How deep nets become stable to smooth deformations of images: from images to a report.
snakemake --cores all                                      every result and figure of config.yaml
snakemake --cores all --configfile configs/smoke.yaml      the same of another experiment
snakemake --report results/report.html                     the report of it
"""

from pathlib import Path

from snakemake.utils import min_version, validate

from workflow_scripts.support.configuration import ConfigurationError, check_references, check_schema, in_key_order, load_schema

min_version("9.0")
BASE = Path(workflow.basedir)
SCHEMA = BASE / "schemas" / "config.schema.yaml"

if "runs" not in config:  # a file given with --configfile is a whole experiment: nothing is merged into it

    configfile: str(BASE / "config.yaml")


try:
    check_schema(config, load_schema(SCHEMA))
    validate(config, str(SCHEMA))  # fills in the defaults
    check_references(config)
    config.update(in_key_order(config))
except ConfigurationError as error:
    raise WorkflowError(f"configuration: {error}")


# Used only with --software-deployment-method apptainer; the image is made from the Dockerfile.
container: "docker://diffeomorphism-stability:0.1.0"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/training.smk"
include: "rules/stability.smk"
include: "rules/predictor.smk"
include: "rules/filters.smk"
include: "rules/activations.smk"
include: "rules/channels.smk"
include: "rules/fields.smk"
include: "rules/local_transforms.smk"
include: "rules/deconvolution.smk"
include: "rules/receptive_fields.smk"
include: "rules/summary.smk"
include: "rules/predictor_figures.smk"
include: "rules/puzzle_figures.smk"
include: "rules/mechanisms_figures.smk"
include: "rules/fields_figures.smk"
include: "rules/local_transforms_figures.smk"
include: "rules/activations_figures.smk"
include: "rules/deconvolution_figures.smk"
include: "rules/local_models_figures.smk"
include: "rules/channels_figures.smk"
include: "rules/receptive_fields_figures.smk"
include: "rules/filters_figures.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        data=DATA_FILES,
        calibration=CALIBRATION_FILES,
        training=TRAINING_FILES,
        stability=STABILITY_FILES,
        summary=SUMMARY_FILES,
        figures=FIGURE_FILES,
