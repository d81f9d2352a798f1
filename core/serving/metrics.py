"""Counts what a server does, in Prometheus' text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # bounds of the histogram of latencies
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128)  # bounds of the histogram of batch sizes


class BucketCounts:
    """A histogram with cumulative buckets."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value in the first bucket whose bound it does not exceed."""
        self.counts[next((place for place, bound in enumerate(self.bounds) if value <= bound), len(self.bounds))] += 1
        self.sum += value

    def lines(self, name: str, text: str) -> list[str]:
        """Return the histogram as text."""
        totals = list(accumulate(self.counts))
        buckets = [
            f'{name}_bucket{{le="{bound}"}} {total}' for bound, total in zip([*map(_number, self.bounds), "+Inf"], totals, strict=True)
        ]
        return [f"# HELP {name} {text}", f"# TYPE {name} histogram", *buckets, f"{name}_sum {self.sum:.9g}", f"{name}_count {totals[-1]}"]


class ServingMetrics:
    """What a server has done since it was started."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.latency, self.batches = BucketCounts(LATENCY_BOUNDS), BucketCounts(BATCH_BOUNDS)
        self.costs, self.answered = 0.0, 0

    def request(self, status: int, seconds: float) -> None:
        """Count a request to /predict, and the seconds until its response."""
        self.statuses[status] += 1
        self.latency.add(seconds)

    def cost(self, share: float) -> None:
        """Count the cost of an answer, as a share of the static network's."""
        self.costs += share
        self.answered += 1

    def text(self, taken: int) -> str:
        """Return all figures. `taken`: requests that are being read, wait or are computed."""
        statuses = [f'gatescope_requests_total{{status="{status}"}} {count}' for status, count in sorted(self.statuses.items())]
        errors = sum(count for status, count in self.statuses.items() if status >= 400)
        lines = [
            *_headed("gatescope_requests_total", "counter", "Requests to /predict, by status.", *statuses),
            *_headed("gatescope_errors_total", "counter", "Requests that got no answer.", f"gatescope_errors_total {errors}"),
            *_headed("gatescope_requests_open", "gauge", "Requests without a response yet.", f"gatescope_requests_open {taken}"),
            *self.latency.lines("gatescope_request_seconds", "Seconds from a request to its response."),
            *self.batches.lines("gatescope_batch_size", "Pictures that went through the network together."),
            *_headed(
                "gatescope_cost_share",
                "summary",
                "Cost of an answer as a share of the static network's; the mean is sum over count.",
                f"gatescope_cost_share_sum {self.costs:.9g}",
                f"gatescope_cost_share_count {self.answered}",
            ),
            *_headed(
                "gatescope_mean_cost_share",
                "gauge",
                "Mean cost of all answers as a share of the static network's.",
                f"gatescope_mean_cost_share {self.costs / self.answered if self.answered else 0:.9g}",
            ),
        ]
        return "\n".join(lines) + "\n"


def _headed(name: str, kind: str, text: str, *lines: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines]


def _number(bound: float) -> str:
    return f"{bound:g}"
