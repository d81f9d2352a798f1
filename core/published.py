"""Accuracies that other authors state for their networks, against multiply-adds, to stand beside the curves of networks trained here.

Only points that are given in multiply-adds, or can be converted, are listed. `docs/results/cifar10.md` holds the same table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedPoint:
    """One network: what it is called, its kind, its test accuracy (0 to 1), its mean multiply-adds per image, and where they are stated."""

    network: str
    kind: str
    accuracy: float
    macs: float
    source: str
    url: str


@dataclass(frozen=True)
class _Source:
    name: str
    url: str

    def states(self, network: str, kind: str, *points: tuple[float, float]) -> tuple[PublishedPoint, ...]:
        """Return points of a network, each given as accuracy in percent and millions of multiply-adds."""
        return tuple(PublishedPoint(network, kind, percent / 100, 1e6 * millions, self.name, self.url) for percent, millions in points)


_L2W = _Source("figure of LeapLabTHU/L2W-DEN, ±0.1 points", "https://github.com/LeapLabTHU/L2W-DEN")
_RANET = _Source("yangle15/RANet-pytorch", "https://github.com/yangle15/RANet-pytorch")
_MANIDP = _Source("huawei-noah/Pruning", "https://github.com/huawei-noah/Pruning")
_CHENYAOFO = _Source("chenyaofo/pytorch-cifar-models", "https://github.com/chenyaofo/pytorch-cifar-models")
_CONDENSENET = _Source("ShichenLiu/CondenseNet", "https://github.com/ShichenLiu/CondenseNet")
_CONDENSENET_V2 = _Source("jianghaojun/CondenseNetV2", "https://github.com/jianghaojun/CondenseNetV2")
_DYNCONV = _Source("Verelst and Tuytelaars, CVPR 2020", "https://arxiv.org/abs/1912.03203")
_FBS = _Source("Gao et al., ICLR 2019", "https://arxiv.org/abs/1810.05331")
_BLOCKDROP = _Source("Wu et al., CVPR 2018; its operations halved", "https://arxiv.org/abs/1711.08393")
_SKIPNET = _Source("Wang et al., ECCV 2018", "https://arxiv.org/abs/1711.09485")

PUBLISHED_POINTS: dict[str, tuple[PublishedPoint, ...]] = {  # by dataset
    "cifar10": (
        *_L2W.states("MSDNet trained by L2W-DEN", "early exits", (93.0, 12.5), (94.1, 18), (94.5, 21), (94.8, 30), (94.8, 60)),
        *_L2W.states("MSDNet", "early exits", (93.3, 21)),
        *_RANET.states("RANet", "early exits", (93.0, 20)),
        *_MANIDP.states("ManiDP, ResNet-20", "channel gates", (92.05, 18.6)),
        *_MANIDP.states("ManiDP, ResNet-56", "channel gates", (93.64, 47.2)),
        *_MANIDP.states("FBS, ResNet-20", "channel gates", (90.97, 19.0)),
        *_CHENYAOFO.states("ShuffleNetV2 ×0.5", "static", (90.13, 10.9)),
        *_CHENYAOFO.states("ResNet-32", "static", (93.53, 69)),
        *_CHENYAOFO.states("ResNet-44", "static", (94.01, 97)),
        *_CHENYAOFO.states("MobileNetV2", "static", (93.79, 88)),
        *_CONDENSENET_V2.states("CondenseNetV2-110", "static", (95.35, 41)),
        *_CONDENSENET_V2.states("CondenseNetV2-146", "static", (95.65, 62)),
        *_CONDENSENET.states("CondenseNet-50", "static", (93.78, 28.6)),
        *_CONDENSENET.states("CondenseNet-74", "static", (94.72, 51.9)),
        *_DYNCONV.states("DynConv, ResNet-32", "gates per pixel", (93.58, 55.4)),
        *_FBS.states("FBS, M-CifarNet", "channel gates", (90.54, 57), (91.37, 174)),
        *_BLOCKDROP.states("BlockDrop, ResNet-110", "block gates", (93.6, 90.5)),
        *_SKIPNET.states("ResNet-38, as trained for SkipNet", "static", (92.50, 83)),
        *_SKIPNET.states("ResNet-74, as trained for SkipNet", "static", (92.95, 168)),
        *_SKIPNET.states("ResNet-110, as trained for SkipNet", "static", (93.60, 253)),
    ),
}


def published(dataset: str, most: float) -> tuple[PublishedPoint, ...]:
    """Return the published networks of a dataset that cost at most so many multiply-adds."""
    return tuple(point for point in PUBLISHED_POINTS.get(dataset, ()) if point.macs <= most)
