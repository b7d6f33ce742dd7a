# The environment of the jobs for `snakemake --software-deployment-method apptainer`:
#   docker build --tag diffeomorphism-stability:0.1.0 .
FROM python:3.11-slim
COPY requirements.txt /requirements.txt
RUN pip install --no-cache-dir --requirement /requirements.txt
