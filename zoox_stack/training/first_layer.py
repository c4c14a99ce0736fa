"""The first layer of the image encoder where it is learned on a CPU: only where there is something in the image.

Most of a scene image is the same everywhere: nothing is there, or nothing is known. A convolution whose patches do not
overlap is a product of patches and weights; patches in which every channel has its usual value all give the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 4  # [pixels] a side that the first layer looks at: as many bytes as an int32, which makes comparing fast
_SAMPLED = 4 * PATCH  # [pixels] between those that say which value is usual
_BUSY = 0.25  # channels that differ from their usual value in more of the image are convolved as a whole


def convolved_sparsely(raster: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What ``conv2d(raster, weight, bias, stride=PATCH)`` gives, to rounding.

    Args:
        raster: uint8 ``[B, C, H, W]``, contiguous, H and W multiples of 16.
        weight: ``[F, C, PATCH, PATCH]``.
        bias: ``[F]``.

    Returns:
        ``[B, F, H / PATCH, W / PATCH]``.
    """
    b, c, h, w = raster.shape
    high, wide = h // PATCH, w // PATCH
    usual = raster[:, :, PATCH::_SAMPLED, PATCH::_SAMPLED].transpose(0, 1).reshape(c, -1).mode(-1).values
    words = raster.view(torch.int32)  # [B, C, H, W / PATCH]
    differs = words != usual[:, None].expand(-1, PATCH).contiguous().view(torch.int32)[:, :, None]
    busy = differs.sum((0, 2, 3), dtype=torch.int32) > _BUSY * b * h * wide
    busy_rows, quiet_rows = busy.nonzero()[:, 0], (~busy).nonzero()[:, 0]
    something = (differs[:, quiet_rows] if len(busy_rows) else differs).any(1)
    at = something.view(b, high, PATCH, wide).any(2).view(-1).nonzero()[:, 0]
    cells = words.view(b, c, high, PATCH, wide).permute(0, 2, 4, 1, 3)
    found = cells[at // (high * wide), at // wide % high, at % wide]  # [R, C, PATCH]
    rows = found.view(torch.uint8).reshape(len(at), c * PATCH**2).to(weight.dtype)
    level = usual.repeat_interleave(PATCH**2).to(weight.dtype)
    quiet = (weight * (~busy)[:, None, None]).reshape(len(weight), -1)
    more = (rows - level) @ quiet.t()
    everywhere = (bias + quiet @ level).to(more.dtype)
    out = everywhere.expand(b * high * wide, -1).index_add(0, at, more).view(b, high, wide, -1).permute(0, 3, 1, 2)
    if len(busy_rows):
        out = out + functional.conv2d(raster[:, busy_rows].to(weight.dtype), weight[:, busy_rows], stride=PATCH)
    return out
