"""What every job does before and after its work: log file, arguments, device, progress bar."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
logger = logging.getLogger(__name__)


def run(main: Callable[..., None], snakemake: Any) -> None:
    """Call a script's `main` with the job's named inputs, outputs and params, matched by name.

    Besides these, `main` may ask for `threads`, `memory_mb` (the resource `batch_mb`: what batches may take) and `device`. The
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
    offered["memory_mb"] = snakemake.resources.get("batch_mb", 2000)
    if "device" in wanted:
        offered["device"] = choose_device(snakemake.resources)
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


def log_to(path: Path | None) -> None:
    """Send log messages to `path` (a job's log), or to stderr."""
    handler = logging.FileHandler(path, mode="w") if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


def progress(items: Iterable[Item], **options: Any) -> Iterator[Item]:
    """Iterate with a progress bar on a terminal, silently anywhere else."""
    return iter(tqdm(items, disable=not sys.stderr.isatty(), **options))
