"""A closer look at the places on which an answer depends most (Almahairi et al., ICML 2016, section 2, arXiv 1511.07838).

Coarse features of the whole image give a first answer. The features to which its entropy is most sensitive are computed once more from
patches of the image, and replaced.
Differs from the paper: the gradient of the entropy is written out in closed form for the top layers, which are a convolution with ReLU, the
maximum over the map and a linear layer.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EntropyGradient(nn.Module):
    """The saliency of each feature: the norm of the gradient of the answer's entropy with respect to it. It has no gradient itself.

    For class probabilities p of entropy H, the gradient with respect to the scores is −p (log p + H). The linear layer passes it back to
    the maximum of each channel, which passes it to the place of the maximum, and the convolution passes it back to the features there.
    """

    def __init__(self, detector: nn.Conv2d, head: nn.Linear, size: tuple[int, int]) -> None:
        """`detector`, `head`: the layers of the top, which other nodes share. `size`: the height and width of the map of features."""
        super().__init__()
        self.detector, self.head = detector, head
        (kernel, _), (stride, _) = detector.kernel_size, detector.stride
        self.stride = stride
        self.output_padding = [(side - kernel) % stride for side in size]

    @torch.no_grad()
    def forward(self, evidence: Tensor, answer: Tensor) -> Tensor:
        """Return the saliency (B, 1, H, W) of features (B, C, H, W), given the map of the convolution (B, D, h, w) and the scores."""
        logs = answer.float().log_softmax(dim=1)  # (B, classes)
        chances = logs.exp()
        entropy = -(chances * logs).sum(dim=1, keepdim=True)  # (B, 1)
        backwards = -chances * (logs + entropy) @ self.head.weight  # (B, D)
        largest, place = evidence.flatten(2).max(dim=2, keepdim=True)  # (B, D, 1)
        backwards = backwards[:, :, None] * (largest > 0)  # (B, D, 1)
        sent = torch.zeros_like(evidence.flatten(2), dtype=backwards.dtype).scatter(2, place, backwards).view_as(evidence)
        gradient = F.conv_transpose2d(sent, self.detector.weight, stride=self.stride, output_padding=self.output_padding)
        norm: Tensor = torch.linalg.vector_norm(gradient.float(), dim=1, keepdim=True)
        return norm


def most_salient(saliency: Tensor, count: int) -> Tensor:
    """Return the places (B, count) of the largest values of a map (B, 1, H, W), counted row by row; of equal values the first."""
    return saliency.flatten(1).sort(dim=1, descending=True, stable=True).indices[:, :count]


class Patches(nn.Module):
    """Cuts the patches of the most salient features out of images.

    count   patches per image
    side    pixels along each side of a patch
    step    pixels between the patches of neighbouring features
    margin  pixels of zeros around the image: before its first and behind its last pixel
    """

    def __init__(self, count: int, side: int, step: int, margin: tuple[int, int]) -> None:
        super().__init__()
        self.count, self.side, self.step, self.margin = count, side, step, margin

    def forward(self, images: Tensor, saliency: Tensor) -> Tensor:
        """Return the patches (B, count · C, side, side) of images (B, C, height, width), by the saliency (B, 1, H, W) of each feature."""
        places = most_salient(saliency, self.count)  # (B, count)
        grid = F.pad(images, self.margin * 2).unfold(2, self.side, self.step).unfold(3, self.side, self.step)  # (B, C, H, W, side, side)
        row, column = places // saliency.shape[3], places % saliency.shape[3]
        cut = grid[torch.arange(len(images), device=images.device)[:, None], :, row, column]  # (B, count, C, side, side)
        return cut.flatten(1, 2)


class EachPatch(nn.Module):
    """Applies the same layers to each patch: (B, count · C, side, side) to (B, filters, 1, count), one column per patch."""

    def __init__(self, layers: nn.Sequential, count: int) -> None:
        """`layers`: (B, C, side, side) to (B, filters, 1, 1)."""
        super().__init__()
        self.layers, self.count = layers, count

    def forward(self, patches: Tensor) -> Tensor:
        channels = patches.shape[1] // self.count
        features: Tensor = self.layers(patches.reshape(-1, channels, *patches.shape[2:]))  # (B · count, filters, 1, 1)
        return features.view(len(patches), self.count, -1).transpose(1, 2)[:, :, None]


class Replace(nn.Module):
    """Replaces the most salient coarse features by fine ones.

    In training, the coarse features that are replaced also learn to resemble the fine ones, by the weighted mean over images of their
    squared distance. The fine features do not learn from it.
    """

    def __init__(self, hint: float) -> None:
        """`hint`: the weight of the squared distance."""
        super().__init__()
        self.hint = hint

    def forward(self, coarse: Tensor, fine: Tensor, saliency: Tensor) -> Tensor:
        """Return features (B, C, H, W): `coarse`, with `fine` (B, C, 1, count) in the most salient places."""
        places = most_salient(saliency, fine.shape[3])[:, None].expand(-1, coarse.shape[1], -1)  # (B, C, count)
        flat, looked = coarse.flatten(2), fine.flatten(2).to(coarse.dtype)
        if self.training and self.hint:
            looked = _Hint.apply(looked, flat.gather(2, places), self.hint)  # type: ignore[no-untyped-call]
        return flat.scatter(2, places, looked).view_as(coarse)


class _Hint(torch.autograd.Function):
    """Returns fine features, and adds to the gradient of coarse ones that of their weighted squared distance, the mean over images."""

    @staticmethod
    def forward(ctx: Any, fine: Tensor, coarse: Tensor, weight: float) -> Tensor:
        ctx.save_for_backward(fine, coarse)
        ctx.weight = weight
        return fine.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        fine, coarse = ctx.saved_tensors
        return gradients[0], 2 * ctx.weight / len(fine) * (coarse - fine), None
