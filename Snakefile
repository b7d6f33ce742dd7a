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


for stage in (
    "common data training stability predictor filters activations channels fields local_transforms deconvolution receptive_fields relation summary "
    "predictor_figures puzzle_figures mechanisms_figures filters_figures activations_figures channels_figures local_models_figures "
    "fields_figures receptive_fields_figures local_transforms_figures deconvolution_figures figures subsets"
).split():

    include: f"rules/{stage}.smk"


rule all:
    default_target: True
    input:
        data=DATA_FILES,
        calibration=CALIBRATION_FILES,
        training=TRAINING_FILES,
        stability=STABILITY_FILES,
        summary=SUMMARY_FILES,
        figures=FIGURE_FILES,
