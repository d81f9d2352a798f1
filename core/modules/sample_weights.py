"""The weight network of methods that weight the loss of each image at each exit (Han et al., ECCV 2022, https://arxiv.org/abs/2209.08310)."""

from torch import Tensor, nn


class WeightNetwork(nn.Module):
    """Returns a weight for each exit, (B, exits), from the losses of images at all exits, (B, exits). Over a batch, their mean is 1.

    max_deviation  the most by which a weight differs from 1 before the mean is subtracted
    """

    def __init__(self, exits: int, hidden: int, max_deviation: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(exits, hidden), nn.ReLU(), nn.Linear(hidden, exits), nn.Tanh())
        self.max_deviation = max_deviation

    def forward(self, losses: Tensor) -> Tensor:
        raw: Tensor = self.max_deviation * self.layers(losses)
        return 1 + raw - raw.mean(dim=0, keepdim=True)
