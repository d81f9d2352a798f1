"""Check an exported run before it is added to a store: its configuration, its weights and its figures must belong together."""

from torch import nn

from core.architectures.model_cascade import MemberNetwork
from core.config import run_config
from core.explain.model import model_of
from core.modules.onnx_check import OnnxError, check_program
from core.modules.onnx_network import OnnxNetwork, count_macs
from core.registry import ConfigError
from core.store.exchange import Header


def check_run(header: Header, weights: bytes, where: str) -> None:
    """Raise UserError if the columns, the weights or the execution rates of a run are not those of its configuration.

    `where`: the file, for the error.
    """
    config = run_config(**header.config)
    for column, value in config.record():
        if column != "config" and value != getattr(header, column):
            raise ConfigError(f"{where}: the description of the run is invalid: {column} is not that of its configuration")
    graph = model_of(header.name, config, header.image, header.classes, weights).graph
    try:
        check_programs(graph)
    except OnnxError as error:
        raise ConfigError(f"{where}: an ONNX file in it cannot serve as a classifier: {error}") from None
    if header.figures.test[0].execution_rates.keys() != graph.by_name.keys():
        raise ConfigError(f"{where}: the description of the run is invalid: its execution rates are those of other nodes")


def check_programs(network: nn.Module) -> None:
    """Raise OnnxError if an ONNX file in a network is no plain classifier, or costs more or less than is said of it. Runs none."""
    for part in network.modules():
        if isinstance(part, OnnxNetwork):
            check_program(part.program.cpu().numpy().tobytes())
    for part in network.modules():
        if isinstance(part, MemberNetwork) and isinstance(part.network, OnnxNetwork):
            counted = count_macs(part.network.program.cpu().numpy().tobytes(), part.image)
            if counted != part.macs:
                raise OnnxError(f"it takes {counted:,} multiply-adds, but its description says {part.macs:,}")
