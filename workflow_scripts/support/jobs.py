"""What every job does before and after its work: log file, arguments, device, progress bar."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

GPU_SHARE = 0.7
GPU_LIMIT_MB = 16 * 2**10  # more is no faster, and a single tensor of more than 2³¹ numbers is not for every kernel
Item = TypeVar("Item")
logger = logging.getLogger(__name__)


def run(main: Callable[..., None], snakemake: Any) -> None:
    """Call a script's `main` with the job's named inputs, outputs and params, matched by name.

    Besides these, `main` may ask for `threads`, `device` and `memory_mb` (what batches may take, `memory_for_batches`). The
    param `code` (the digest that makes edits of the source stale) is passed only where asked for. Messages and a traceback go to
    the job's log file.
    """
    log_to(Path(snakemake.log[0]) if snakemake.log else None)
    try:
        main(**arguments(main, snakemake))
    except Exception:
        logger.exception("%s failed", snakemake.rule)
        raise
    logger.info("%s finished", snakemake.rule)


def arguments(main: Callable[..., None], snakemake: Any) -> dict[str, Any]:
    """Match the parameters of `main` with the job's named values.

    Raises:
        TypeError: a parameter that the job does not offer, or a named input, output or param that `main` does not take.
    """
    paths = {**dict(snakemake.input.items()), **dict(snakemake.output.items())}
    offered: dict[str, Any] = {name: as_paths(value) for name, value in paths.items()}
    offered |= dict(snakemake.params.items())
    wanted = inspect.signature(main).parameters
    unused = set(offered) - set(wanted) - {"code"}
    if unused:
        raise TypeError(f"rule {snakemake.rule} passes {sorted(unused)}, which its script does not take")
    offered["threads"] = snakemake.threads
    if "device" in wanted:
        offered["device"] = choose_device(snakemake.resources)
    if "memory_mb" in wanted:
        offered["memory_mb"] = memory_for_batches(snakemake.resources, offered.get("device", "cpu"))
    missing = set(wanted) - set(offered)
    if missing:
        raise TypeError(f"rule {snakemake.rule} does not pass {sorted(missing)}, which its script needs")
    return {name: offered[name] for name in wanted}


def as_paths(value: Any) -> Path | list[Path]:
    """Snakemake's file (a string) as a path, its list of files as a list of paths."""
    return Path(value) if isinstance(value, str) else [Path(item) for item in value]


def choose_device(resources: Mapping[str, Any]) -> str:
    """`cuda` if the job was given a GPU (as `gpu`, or as Slurm's `gres`) and torch sees one, else `cpu`."""
    import torch

    given = resources.get("gpu", 0) > 0 or "gpu" in resources.get("gres", "")
    return "cuda" if given and torch.cuda.is_available() else "cpu"


def memory_for_batches(resources: Mapping[str, Any], device: str) -> int:
    """MiB that batches may take: the job's resource `batch_mb`; on a GPU `GPU_SHARE` of what is free there, up to `GPU_LIMIT_MB`.

    What is left is for weights, the libraries' working space and other jobs. Where it does not suffice after all, batches are
    halved (`batches.py`).
    """
    if device == "cpu":
        return int(resources.get("batch_mb", 2000))
    import torch

    free, _ = torch.cuda.mem_get_info()
    return min(GPU_LIMIT_MB, int(GPU_SHARE * free / 2**20))


def log_to(path: Path | None) -> None:
    """Send log messages to `path` (a job's log), or to stderr."""
    handler = logging.FileHandler(path, mode="w") if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


def progress(items: Iterable[Item], **options: Any) -> Iterator[Item]:
    """Iterate with a progress bar on a terminal, silently anywhere else."""
    return iter(tqdm(items, disable=not sys.stderr.isatty(), **options))
