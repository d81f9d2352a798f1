"""Check an exported run before it is used or added to a store: its configuration, its weights and its figures must belong together."""

from pathlib import Path

from torch import nn

from core.architectures.model_cascade import MemberNetwork
from core.config import run_config
from core.explain.model import Model, model_of
from core.modules.onnx_check import OnnxError, check_program
from core.modules.onnx_network import OnnxNetwork, count_macs
from core.registry import ConfigError
from core.store import Run
from core.store.exchange import Header, read_exported


def load_checked(file: Path) -> tuple[Model, Run]:
    """Return the network of an exported file or folder, and the row that its run would have. Raises UserError as `checked_model` does."""
    header, weights = read_exported(file)
    return checked_model(header, weights, str(file)), Run(**header.columns(), name=header.name, status="finished")


def check_run(header: Header, weights: bytes, where: str) -> None:
    """Raise UserError as `checked_model` does."""
    checked_model(header, weights, where)


def checked_model(header: Header, weights: bytes, where: str) -> Model:
    """Return the network of an exported run. `where`: the file, for the error.

    Raises UserError if the columns, the weights or the execution rates are not those of the run's configuration.
    """
    config = run_config(**header.config)
    for column, value in config.record():
        if column != "config" and value != getattr(header, column):
            raise ConfigError(f"{where}: the description of the run is invalid: {column} is not that of its configuration")
    model = model_of(header.name, config, header.image, header.classes, weights)
    try:
        check_programs(model.graph)
    except OnnxError as error:
        raise ConfigError(f"{where}: an ONNX file in it cannot serve as a classifier: {error}") from None
    if header.figures.test[0].execution_rates.keys() != model.graph.by_name.keys():
        raise ConfigError(f"{where}: the description of the run is invalid: its execution rates are those of other nodes")
    return model


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
