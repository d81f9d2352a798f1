"""Initialises a network from the weights of another, and says which were used, which nodes are new and what was dropped."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from core.graph.checkpoint import current_name, first_names
from core.graph.graph import Graph
from core.graph.weight_file import OWN_PREFIX, SAVE_AGAIN, CheckpointError, check_all_finite, read_tensors
from core.modules.nested import Nested

HEAD = re.compile(r"(?:.+\.)?(?:linear|fc\d?|head|heads|classifier|output|logits|last_linear)(?:\.\w+)*\.(weight|bias)")
CONTROL = re.compile(r"Q.*")  # names of control nodes
COUNTERS = "num_batches_tracked"  # of batch norm
SHOWN_NAMES = 4  # names in a message
OwnWeights = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Initialisation:
    """What became of a file's weights.

    nodes    the nodes all of whose parameters were initialised
    new      the other nodes with parameters, which keep their random weights
    dropped  the names in the file of tensors that were not used
    found    where the weights lay in the file, in words
    head     the name in the file of a head that was taken under another name
    """

    nodes: frozenset[str]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    found: str = ""
    head: str = ""

    @property
    def sentence(self) -> str:
        """What was used, what is new and what was dropped, in words."""
        taken = f"{len(self.nodes)} nodes begin with the weights of the file" + (f" ({self.found})" if self.found else "")
        head = [f"the head is {self.head}"] if self.head else []
        new = [f"new, with random weights: {_listed(self.new)}"] if self.new else ["no node is new"]
        dropped = [f"not used: {_listed(self.dropped)}"] if self.dropped else ["nothing was left over"]
        return "; ".join([taken, *head, *new, *dropped])


def initialise_from(state: bytes, graph: Graph, own_weights: OwnWeights = dict, *, partial: bool = False) -> Initialisation:
    """Initialise nodes from the weights of another network's nodes of the same name and shape.

    `state`: an exported run, or published weights as safetensors or in PyTorch's format, which `own_weights` renames to the names of the
    graph. `partial`: use weights of which more than heads and control nodes do not fit.
    Raises CheckpointError if nothing fits, if more than that would be dropped, or if a weight is not finite.
    """
    file = read_tensors(state)
    own = {name: tensor for name, tensor in graph.state_dict().items() if name.startswith("parts.")}
    exported = any(name.startswith((OWN_PREFIX, "parts.")) for name in file.tensors)
    others = (
        {current_name(name.removeprefix(OWN_PREFIX)): tensor for name, tensor in file.tensors.items()}
        if exported
        else own_weights(file.tensors)
    )
    names = {id(tensor): name for name, tensor in file.tensors.items()}  # in the file
    fitting = {name: others[name] for name in own if name in others and others[name].shape == own[name].shape}
    if not fitting:
        detail = f"they begin with {next(iter(file.tensors), 'nothing')}, this network's with {next(iter(own)).removeprefix('parts.')}"
        raise CheckpointError(f"these weights have no node of the same name and shape as this network's: {detail}")
    head = "" if exported else _add_head(graph, own, others, fitting)
    for name, tensor in fitting.items():
        if own[name].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise CheckpointError(f"{names.get(id(tensor), name)} holds {kind}, which cannot be trained: {SAVE_AGAIN} with float32 weights")
    check_all_finite({names.get(id(tensor), name): tensor for name, tensor in fitting.items()})
    unused = {
        name: tensor for name, tensor in others.items() if _matters(name, exported) and id(tensor) not in {*map(id, fitting.values())}
    }
    heads = {node.name for node in graph.nodes if graph.shapes[node.name] == graph.shapes[graph.outputs[0].name]}
    lost = [names.get(id(tensor), name) for name, tensor in unused.items() if not _replaceable(name, heads)]
    if lost and not partial:
        whose = "these weights belong to another network" if len(lost) > len(others) / 2 else "these weights do not fit completely"
        raise CheckpointError(
            f"{whose}: {len(lost)} of their {len(others)} tensors have no counterpart of the same shape, such as {_listed(lost)}. "
            "Choose the network that they belong to, or use what fits with training.init_partial"
        )
    graph.load_state_dict(fitting, strict=False)
    first = first_names(graph)
    parameters = {
        f"parts.{node}.{name}": node
        for node, part in graph.parts.items()
        for name, _ in part.named_parameters()
        if not (isinstance(part, Nested) and part.derives(name))
    }
    new = list(dict.fromkeys(node for name, node in parameters.items() if first[name] not in fitting))
    dropped = tuple(names.get(id(tensor), name) for name, tensor in unused.items())
    return Initialisation(frozenset(parameters.values()) - frozenset(new), tuple(new), dropped, file.found, head)


def _add_head(graph: Graph, own: Mapping[str, Tensor], others: Mapping[str, Tensor], fitting: dict[str, Tensor]) -> str:
    """Add the weights of a head that the file calls otherwise, where one alone fits the network's. Return its name in the file."""
    answer = f"parts.{graph.outputs[0].name}."
    wanted = {name.rpartition(".")[2]: name for name in own if name.startswith(answer)}
    if set(wanted) != {"weight", "bias"} or any(name in fitting for name in wanted.values()):
        return ""
    found = [
        name.removesuffix(".weight")
        for name in others
        if (match := HEAD.fullmatch(name))
        and match[1] == "weight"
        and name not in own
        and _fits(name.removesuffix(".weight"), wanted, own, others)
    ]
    if len(found) != 1:
        return ""
    fitting |= {name: others[f"{found[0]}.{kind}"] for kind, name in wanted.items()}
    return found[0]


def _fits(head: str, wanted: Mapping[str, str], own: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    return all(f"{head}.{kind}" in others and others[f"{head}.{kind}"].shape == own[name].shape for kind, name in wanted.items())


def _matters(name: str, exported: bool) -> bool:
    """Return whether a tensor is part of a network's weights: neither a counter nor a trade-off of another run."""
    return not name.endswith(COUNTERS) and (name.startswith("parts.") if exported else not name.startswith("n_averaged"))


def _replaceable(name: str, heads: set[str]) -> bool:
    """Return whether a tensor may be dropped: that of a head, or of a control node."""
    if not name.startswith("parts."):
        return bool(HEAD.fullmatch(name))
    node = name.split(".")[1]
    return node in heads or bool(CONTROL.fullmatch(node))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
