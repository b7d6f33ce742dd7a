"""Named seeds and counter-based random numbers.

A random number here is a pure function of (seed, purpose, image index, draw, element). It depends neither on
the batch it is computed in, nor on the order of the calls, nor on the device (there, up to rounding of the
logarithm, sine and cosine in float64).
"""

import hashlib
import math

import torch
from torch import Tensor

WORD = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the purpose that `names` spells, derived from `seed`; stable for ever.

    Source: the first eight bytes of SHA-256 of "seed/name/name/...".
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _multiply(multiplier: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32-bit words of a 64-bit product: int64 wraps around, and its bits are the right ones."""
    product = word * multiplier
    return (product >> 32).bitwise_and_(WORD), product.bitwise_and_(WORD)


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10: four random 32-bit words for each 128-bit counter.

    `counter`: four int64 tensors of 32-bit words, of shapes that broadcast against each other; `key`: two
    32-bit words. Returns four int64 tensors of 32-bit words.
    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _multiply(MULTIPLIERS[0], c0)
        high1, low1 = _multiply(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL_INCREMENTS[0]) & WORD, (k1 + WEYL_INCREMENTS[1]) & WORD
    return c0, c1, c2, c3


def _uniform(high: Tensor, low: Tensor) -> Tensor:
    """Float64 in the open interval (0, 1): the odd multiples of 2^-53, from the top 53 bits of two words."""
    bits = ((high << 21) | (low >> 11)) | 1
    return bits.to(torch.float64).mul_(2.0**-53)


def standard_normal(
    seed: int,
    purpose: str,
    image_index: Tensor,
    draw: int | Tensor,
    elements: int,
    *,
    device: torch.device | str | None = None,
) -> Tensor:
    """Standard normal numbers, a fixed row of them for each (seed, purpose, image, draw).

    `image_index`: (B,) integers in [0, 2^32); `draw`: one integer for all, or (B,); `elements`: the length
    of a row. Row elements do not change when the row gets longer. `device` defaults to that of `image_index`.
    Returns (B, elements) float64.
    Raises ValueError if an index is negative or too large.
    Source: Philox4x32-10 with counter (element // 2, draw, image index, 0), then Box-Muller.
    """
    first, second = _uniform_pairs(seed, purpose, image_index, draw, (elements + 1) // 2, device)
    radius = first.log_().mul_(-2).sqrt_()
    angle = second.mul_(2 * math.pi)
    normal = torch.stack((angle.cos().mul_(radius), angle.sin_().mul_(radius)), dim=-1)
    return normal.flatten(-2)[:, :elements]


def uniform(seed: int, purpose: str, image_index: Tensor, draw: int | Tensor, elements: int) -> Tensor:
    """Numbers uniform in the open interval (0, 1), with the arguments, shape and errors of `standard_normal`."""
    pairs = _uniform_pairs(seed, purpose, image_index, draw, (elements + 1) // 2, None)
    return torch.stack(pairs, dim=-1).flatten(-2)[:, :elements]


def _uniform_pairs(
    seed: int, purpose: str, image_index: Tensor, draw: int | Tensor, pairs: int, device: torch.device | str | None
) -> tuple[Tensor, Tensor]:
    """Two uniform numbers for each counter (pair, draw, image index, 0), each (B, pairs) float64."""
    device = image_index.device if device is None else device
    image, draws = _words(image_index, "image_index", device), _words(draw, "draw", device)
    if image.ndim != 1 or draws.shape not in ((), image.shape):
        raise ValueError(
            f"image_index must have shape (B,) and draw none or the same one, not {tuple(image.shape)} and {tuple(draws.shape)}"
        )
    pair = torch.arange(pairs, device=device)
    derived = derive_seed(seed, purpose)
    counter = (pair, draws[..., None], image[:, None], torch.zeros((), dtype=torch.int64, device=device))
    words = philox(counter, (derived & WORD, derived >> 32))
    return _uniform(words[0], words[1]), _uniform(words[2], words[3])


def _words(index: int | Tensor, name: str, device: torch.device | str) -> Tensor:
    """`index` as int64 on `device`, after a check that it fits in 32 bits; on a GPU only of its type, not to wait for numbers."""
    if isinstance(index, int):
        fits = 0 <= index <= WORD
    else:
        fits = not index.is_floating_point()
        if fits and index.numel() and index.device.type == "cpu":
            fits = int(index.min()) >= 0 and int(index.max()) <= WORD
    if not fits:
        raise ValueError(f"{name} must hold integers from 0 to {WORD}, not {index}")
    return torch.full((), index, device=device) if isinstance(index, int) else index.to(device=device, dtype=torch.int64)
