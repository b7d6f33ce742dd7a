"""Isotropic noise: directions that are uniform on the sphere."""

from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_scripts.diffeo.randomness import standard_normal


def isotropic_direction(
    seed: int,
    image_index: Tensor,
    draw: int | Tensor,
    shape: Sequence[int],
    device: torch.device | str | None = None,
) -> Tensor:
    """Unit vectors with the shape of an image, uniform on the sphere; multiply by r for noise of norm r.

    `image_index`: (B,) integers; `draw`: one integer or (B,). Returns (B, *shape) float64, each of norm 1 to
    rounding: a fixed direction for each (seed, image, draw).
    """
    elements = torch.Size(shape).numel()
    normal = standard_normal(seed, "noise", image_index, draw, elements, device=device)
    direction: Tensor = normal / torch.linalg.vector_norm(normal, dim=1, keepdim=True)
    return direction.view(-1, *shape)
