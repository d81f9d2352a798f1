"""Evaluation of networks whose weights are damaged."""

import pytest
import torch

from core.config import run_config
from core.datasets import Split
from core.evaluation.evaluate import EvaluationError, evaluate
from core.training.assembly import assemble


@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_that_answers_nan_is_refused_in_a_line(classes: int) -> None:
    graph = assemble(run_config(architecture="plain", dataset="digits", method="static"), (1, 8, 8), classes)
    split = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6) % classes)
    assert evaluate(graph, split).n == 6
    for weights in graph.parameters():
        weights.data.fill_(torch.nan)
    with pytest.raises(EvaluationError, match="answers NaN instead of numbers"):
        evaluate(graph, split)
