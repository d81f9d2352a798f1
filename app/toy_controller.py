"""A controller small enough to train while one looks on: it sees one number and chooses between a cheap and a dear module.

The number says how blurred a picture is, from 0 to 1. The controller learns as in D2NN (Liu & Deng, AAAI 2018, section 4): it tries a
module, observes whether the answer is right, and moves its prediction for this module towards that. Beyond the paper, it predicts accuracy
alone and knows the costs, so that one training serves every λ. Loads without torch and without streamlit.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MODULES = ("cheap", "dear")
DEAR_COST = 1.0  # share of the static network's cost
HIDDEN = 16  # units of the controller
PICTURES_PER_STEP = 128  # pictures per step
RATE = 0.02  # learning rate of Adam
DECAYS = (0.9, 0.999)  # of Adam's means
EPSILON = 0.2  # share of the pictures for which a random module is tried
TINY = 1e-8


def reward(accuracy: Array | float, cost: float, lam: float, kappa: float) -> Array:
    """Return λA + (1−λ)E, where E is −κ times a cost as a share of the static network's."""
    return np.asarray(lam * np.asarray(accuracy) - (1 - lam) * kappa * cost)


def true_accuracy(blur: Array) -> Array:
    """Return how often the cheap and the dear module are right for pictures (N,) of this blur: (N, 2)."""
    return np.stack([0.97 - 0.75 * blur**1.5, 0.98 - 0.3 * blur**2], axis=1)


def threshold(cheap: Array, dear: Array, cheap_cost: float, kappa: float) -> Array:
    """Return the λ from which the dear module has the higher reward, given the accuracies of both; 1 where it never has."""
    gain, extra = np.maximum(dear - cheap, 0.0), kappa * (DEAR_COST - cheap_cost)
    return np.asarray(extra / np.maximum(gain + extra, TINY))


@dataclass
class ToyController:
    """A network with one hidden layer that predicts the accuracy of both modules. `seen`: the pictures that it has learned from."""

    seed: int = 0
    seen: int = 0
    weights: list[Array] = field(default_factory=list)
    _moments: list[tuple[Array, Array]] = field(default_factory=list)
    _steps: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        shapes = ((1, HIDDEN), (HIDDEN,), (HIDDEN, len(MODULES)), (len(MODULES),))
        scales = (2.0, 1.0, 0.3, 0.0)
        self.weights = [scale * self._random.standard_normal(shape) for shape, scale in zip(shapes, scales, strict=True)]
        self._moments = [(np.zeros_like(one), np.zeros_like(one)) for one in self.weights]

    def predict(self, blur: Array) -> Array:
        """Return the accuracy to expect of the cheap and of the dear module for pictures (N,) of this blur: (N, 2)."""
        return self._forward(blur)[1]

    def learn(self, steps: int, cheap_cost: float, kappa: float) -> None:
        """Learn from so many mini-batches of new pictures. Each picture shows the outcome of the one module that was tried."""
        for _ in range(steps):
            blur, lam = self._random.random(PICTURES_PER_STEP), self._random.random()
            hidden, expected = self._forward(blur)
            rewards = np.stack([reward(expected[:, 0], cheap_cost, lam, kappa), reward(expected[:, 1], DEAR_COST, lam, kappa)], axis=1)
            tried = np.where(
                self._random.random(PICTURES_PER_STEP) < EPSILON,
                self._random.integers(0, len(MODULES), PICTURES_PER_STEP),
                rewards.argmax(axis=1),
            )
            rows = np.arange(PICTURES_PER_STEP)
            right = self._random.random(PICTURES_PER_STEP) < true_accuracy(blur)[rows, tried]
            error = np.zeros_like(expected)  # of binary cross-entropy, before the sigmoid
            error[rows, tried] = (expected[rows, tried] - right) / PICTURES_PER_STEP
            inner = (error @ self.weights[2].T) * (1 - hidden**2)
            self._update([_scaled(blur).T @ inner, inner.sum(axis=0), hidden.T @ error, error.sum(axis=0)])
            self.seen += PICTURES_PER_STEP

    def _forward(self, blur: Array) -> tuple[Array, Array]:
        """Return the hidden layer and the predictions."""
        first, bias, second, last = self.weights
        hidden = np.tanh(_scaled(blur) @ first + bias)
        return hidden, 1 / (1 + np.exp(-(hidden @ second + last)))

    def _update(self, gradients: list[Array]) -> None:
        """Take a step of Adam."""
        self._steps += 1
        early, late = DECAYS
        for place, gradient in enumerate(gradients):
            mean, square = self._moments[place]
            mean, square = early * mean + (1 - early) * gradient, late * square + (1 - late) * gradient**2
            self._moments[place] = mean, square
            corrected = np.sqrt(square / (1 - late**self._steps)) + TINY
            self.weights[place] = self.weights[place] - RATE * mean / (1 - early**self._steps) / corrected


def _scaled(blur: Array) -> Array:
    """Return the controller's input (N, 1), from −1 to 1."""
    return (2 * blur - 1)[:, None]
