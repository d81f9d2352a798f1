"""What is made of several networks' answers: features for a controller, and a weighted mean."""

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.modules.controller import MIN_LOG_PROBABILITY, Controller

MEAN_FIT_STEPS, MEAN_FIT_RATE = 300, 0.05


class AnswerController(Controller):
    """A controller that sees answers alone: for each, its sorted log-probabilities, margin and entropy; for each two, whether they agree.

    For two answers it also sees the log-probability that the earlier one gives to the class of the later one.
    """

    def __init__(self, answers: int, classes: int, options: int, *, hidden: int = 32, every_lam: bool = False) -> None:
        """`answers`: how many answers of shape (classes,) it sees."""
        features = answers * (classes + 2) + answers * (answers - 1)
        super().__init__([(features,)], options, hidden=hidden, every_lam=every_lam)
        self.answers, self.classes = answers, classes

    def features(self, *seen: Tensor) -> Tensor:
        """Return what is known of the images, (B, features), from logits (B, classes) of each answer."""
        logs = [one.float().log_softmax(dim=1) for one in seen]
        found = []
        for log in logs:
            ordered = log.clamp(min=MIN_LOG_PROBABILITY).sort(dim=1, descending=True).values
            entropy = -(log.exp() * log.clamp(min=MIN_LOG_PROBABILITY)).sum(dim=1, keepdim=True)
            found += [ordered, ordered[:, :1] - ordered[:, 1:2], entropy]
        for earlier, later in combinations(logs, 2):
            chosen = later.argmax(dim=1, keepdim=True)
            found += [(earlier.argmax(dim=1, keepdim=True) == chosen).float(), earlier.gather(1, chosen).clamp(min=MIN_LOG_PROBABILITY)]
        return torch.cat(found, dim=1)


class WeightedMean(nn.Module):
    """A weighted mean of several answers: logits (B, classes) of each to log-probabilities (B, classes)."""

    def __init__(self, answers: int, *, geometric: bool = False) -> None:
        """`geometric`: average log-probabilities, which is the geometric mean of the probabilities; otherwise average probabilities."""
        super().__init__()
        self.geometric = geometric
        self.weights: Tensor
        self.register_buffer("weights", torch.full((answers,), 1 / answers))

    def forward(self, *answers: Tensor) -> Tensor:
        return self._mean(torch.stack(answers), self.weights)

    def _mean(self, answers: Tensor, weights: Tensor) -> Tensor:
        logs = answers.log_softmax(dim=2)  # (answers, B, classes)
        if self.geometric:
            return (logs * weights[:, None, None]).sum(dim=0).log_softmax(dim=1)
        return (logs + weights.log()[:, None, None]).logsumexp(dim=0)

    def fit(self, answers: Tensor, labels: Tensor) -> None:
        """Choose the weights that make classes (N,) likeliest under answers (answers, N, classes)."""
        free = torch.zeros(len(self.weights), requires_grad=True)
        optimizer = torch.optim.Adam([free], lr=MEAN_FIT_RATE)
        for _ in range(MEAN_FIT_STEPS if len(free) > 1 else 0):
            optimizer.zero_grad()
            F.nll_loss(self._mean(answers, free.softmax(dim=0)), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self.weights.copy_(free.detach().softmax(dim=0))
