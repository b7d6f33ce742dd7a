"""Profiles agree with each other and with the rules: one policy, jobs that say what they need, groups that leave none out."""

import re
from functools import cache
from pathlib import Path

import yaml

from tests.conftest import ROOT, fenced_blocks, run_snakemake

DEFAULT = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
SLURM = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
ALONE = {"prepare_dataset", "measure_fields", "train_short"}  # few, or long: not worth or not safe to share a submission


@cache
def jobs(attempt: int = 1) -> list[tuple[str, dict[str, str]]]:
    """Rule and resources of every job of the smoke experiment that runs on a node."""
    arguments = ["--dry-run", "--forceall", "--configfile", "configs/smoke.yaml", "--attempt", str(attempt)]
    printed = run_snakemake(ROOT, *arguments).stdout
    found = re.findall(r"^rule (\w+):\n(?: .*\n)*? *resources: (.*)$", printed, re.MULTILINE)
    local = set(re.findall(r"^    (\w+),$", "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk")), re.MULTILINE))
    jobs = [(rule, dict(item.split("=") for item in resources.split(", "))) for rule, resources in found if rule != "all"]
    return sorted((job for job in jobs if job[0] not in local), key=str)


def test_profile_for_slurm_repeats_the_policy_of_the_default_one() -> None:
    assert {key: SLURM[key] for key in DEFAULT} == DEFAULT


def test_jobs_on_nodes_ask_for_memory_and_time_that_grow_with_attempts() -> None:
    assert len(jobs()) > 40
    for (rule, first), (_, second) in zip(jobs(), jobs(attempt=2), strict=True):
        for name in ("mem_mb", "runtime"):
            assert int(second[name]) == 2 * int(first[name]) > 0, (rule, name)


def test_every_rule_on_nodes_is_in_a_group_or_meant_to_be_alone() -> None:
    assert {rule for rule, _ in jobs()} == set(SLURM["groups"]) | ALONE
    assert set(SLURM["group-components"]) == set(SLURM["groups"].values())


def test_groups_do_not_mix_jobs_with_and_without_a_gpu() -> None:
    kinds = {(SLURM["groups"].get(rule, rule), "gpu" in resources) for rule, resources in jobs()}
    assert len(kinds) == len({group for group, _ in kinds})


def test_page_on_clusters_names_every_rule_with_a_gpu() -> None:
    (block,) = (block for block in fenced_blocks(ROOT / "docs/cluster.md", "yaml") if "gres" in block)
    named = {rule.replace("train_sgd", "train_short") for rule in yaml.safe_load(block)["set-resources"]}
    assert named == {rule for rule, resources in jobs() if "gpu" in resources}


def test_profile_of_the_page_on_other_engines_but_for_its_plugins(tmp_path: Path) -> None:
    (block,) = fenced_blocks(ROOT / "docs/other_engines.md", "yaml")
    profile = yaml.safe_load(block)
    assert {key: profile[key] for key in DEFAULT} == DEFAULT
    of_plugins = ("executor", "kubernetes", "default-storage", "storage-s3")
    general = {key: value for key, value in profile.items() if not key.startswith(of_plugins)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(general))
    printed = run_snakemake(ROOT, "--dry-run", "--configfile", "configs/smoke.yaml", "--workflow-profile", str(tmp_path)).stdout
    assert "gpu_manufacturer=nvidia" in printed
