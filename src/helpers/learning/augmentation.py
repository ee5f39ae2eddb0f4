"""Augmentation: training images flipped and shifted, freshly drawn every time they are shown."""

import torch


def augment(batch: torch.Tensor, generator: torch.Generator, max_shift: float) -> torch.Tensor:
    """Flip half of the images (B, C, n, n) left to right and shift each by whole pixels, zeros moving in.

    Shifts are uniform in +- ``max_shift`` (fraction of the edge) in both directions, drawn from
    ``generator``. The whole batch moves at once, on its device.
    """
    size, _, _, n = batch.shape
    reach = round(max_shift * n)
    shifts = torch.randint(-reach, reach + 1, (2, size), generator=generator, device=generator.device)
    flips = torch.rand(size, generator=generator, device=generator.device) < 0.5
    return flip_and_shift(batch, flips.to(batch.device), *shifts.to(batch.device))


def flip_and_shift(batch: torch.Tensor, flip: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return images (B, C, n, n), flipped where ``flip`` (B,) is True, then moved by whole pixels (B,).

    All pixels are picked at once, with their channels side by side, so the result lies channels last; a pixel
    from beyond the edge is one zero pixel behind the last image.
    """
    size, n_channels, _, n = batch.shape
    nothing = size * n * n  # index of the zero pixel
    pixel = torch.arange(n, device=batch.device)
    rows, columns = pixel - down[:, None], pixel - right[:, None]  # (B, n): what lands on each row and column
    above, beside = ((at < 0) | (at >= n) for at in (rows, columns))
    columns = torch.where(flip[:, None], n - 1 - columns, columns).masked_fill(beside, nothing)
    first = torch.arange(0, nothing, n * n, device=batch.device)  # (B,): where each image begins
    rows = (first[:, None] + n * rows).masked_fill(above, nothing)
    picked = (rows[:, :, None] + columns[:, None, :]).clamp_(max=nothing)  # (B, n, n)
    pixels = torch.cat([batch.permute(0, 2, 3, 1).reshape(-1, n_channels), batch.new_zeros(1, n_channels)])
    return pixels.index_select(0, picked.flatten()).view(size, n, n, n_channels).permute(0, 3, 1, 2)
