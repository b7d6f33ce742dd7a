"""Parts of an experiment by name, with what they need: `snakemake --cores all mechanisms`."""


localrules:
    stability,
    part1,
    mechanisms,
    local_transforms,
    figures,


rule stability:
    input:
        figures=figure_files(STABILITY_FIGURES + RELATION_FIGURES),


rule part1:
    input:
        figures=figure_files(PREDICTOR_FIGURES),


rule mechanisms:
    input:
        figures=figure_files(MECHANISM_FIGURES + FILTER_FIGURES + ACTIVATION_FIGURES + CHANNELS_FIGURES + LOCAL_FIGURES),


rule local_transforms:
    input:
        figures=figure_files(FIELD_FIGURES + RECEPTIVE_FIELD_FIGURES + TRANSFORM_FIGURES + DECONVOLUTION_FIGURES),


rule figures:
    input:
        figures=figure_files(FIGURES),
