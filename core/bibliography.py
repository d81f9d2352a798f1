"""The papers that describe the architectures, methods and datasets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A publication and where to read it."""

    title: str
    authors: str
    venue: str
    url: str

    def __str__(self) -> str:
        """Return the title, the authors and the venue, without the address."""
        return f"{self.title} ({self.authors}, {self.venue})"


D2NN_PAPER = Paper(
    "Dynamic Deep Neural Networks: Optimizing Accuracy-Efficiency Trade-offs by Selective Execution",
    "Liu and Deng",
    "AAAI 2018",
    "https://arxiv.org/abs/1701.00299",
)
LCNET = Paper("Fully Dynamic Inference with Deep Neural Networks", "Xia et al.", "IEEE TETC 2021", "https://arxiv.org/abs/2007.15151")
ADAPTIVE_GRAPHS = Paper(
    "Convolutional Networks with Adaptive Inference Graphs", "Veit and Belongie", "ECCV 2018", "https://arxiv.org/abs/1711.11503"
)
GUMBEL_SOFTMAX = Paper("Categorical Reparameterization with Gumbel-Softmax", "Jang et al.", "ICLR 2017", "https://arxiv.org/abs/1611.01144")
BLOCKDROP = Paper("BlockDrop: Dynamic Inference Paths in Residual Networks", "Wu et al.", "CVPR 2018", "https://arxiv.org/abs/1711.08393")
REINFORCE = Paper(
    "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning",
    "Williams",
    "Machine Learning 1992",
    "https://doi.org/10.1007/BF00992696",
)
SELF_CRITICAL = Paper(
    "Self-Critical Sequence Training for Image Captioning", "Rennie et al.", "CVPR 2017", "https://arxiv.org/abs/1612.00563"
)
COMPOSER = Paper(
    "Changing Model Behavior at Test-Time Using Reinforcement Learning",
    "Odena et al.",
    "ICLR 2017 workshop",
    "https://arxiv.org/abs/1702.07780",
)
RESNET = Paper("Deep Residual Learning for Image Recognition", "He et al.", "CVPR 2016", "https://arxiv.org/abs/1512.03385")
MOBILENET = Paper(
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks", "Sandler et al.", "CVPR 2018", "https://arxiv.org/abs/1801.04381"
)
SLIMMABLE = Paper(
    "Universally Slimmable Networks and Improved Training Techniques", "Yu and Huang", "ICCV 2019", "https://arxiv.org/abs/1903.05134"
)
SLIMMABLE_GATES = Paper("Dynamic Slimmable Network", "Li et al.", "CVPR 2021", "https://arxiv.org/abs/2103.13258")
DYNAMIC_CAPACITY = Paper("Dynamic Capacity Networks", "Almahairi et al.", "ICML 2016", "https://arxiv.org/abs/1511.07838")
MSDNET = Paper(
    "Multi-Scale Dense Networks for Resource Efficient Image Classification",
    "Huang et al.",
    "ICLR 2018",
    "https://arxiv.org/abs/1703.09844",
)
FBS_PAPER = Paper(
    "Dynamic Channel Pruning: Feature Boosting and Suppression", "Gao et al.", "ICLR 2019", "https://arxiv.org/abs/1810.05331"
)
IAMNN = Paper(
    "IamNN: Iterative and Adaptive Mobile Neural Network for Efficient Image Classification",
    "Leroux et al.",
    "ICLR Workshop 2018",
    "https://arxiv.org/abs/1804.10123",
)
ACT_PAPER = Paper("Adaptive Computation Time for Recurrent Neural Networks", "Graves", "2016", "https://arxiv.org/abs/1603.08983")
DISTILLATION = Paper("Distilling the Knowledge in a Neural Network", "Hinton et al.", "2015", "https://arxiv.org/abs/1503.02531")
WEIGHTED_EXITS = Paper(
    "Learning to Weight Samples for Dynamic Early-exiting Networks", "Han et al.", "ECCV 2022", "https://arxiv.org/abs/2209.08310"
)
BRANCHYNET = Paper(
    "BranchyNet: Fast Inference via Early Exiting from Deep Neural Networks",
    "Teerapittayanon et al.",
    "ICPR 2016",
    "https://arxiv.org/abs/1709.01686",
)
DECISION_GATES = Paper(
    "Dynamic Representations Toward Efficient Inference on Deep Neural Networks by Decision Gates",
    "Shafiee et al.",
    "2018",
    "https://arxiv.org/abs/1811.01476",
)
EXIT_POLICIES = Paper(
    "Adaptive Neural Networks for Efficient Inference", "Bolukbasi et al.", "ICML 2017", "https://arxiv.org/abs/1702.07811"
)
CLUTTERED_MNIST = Paper("Recurrent Models of Visual Attention", "Mnih et al.", "NIPS 2014", "https://arxiv.org/abs/1406.6247")
CIFAR10 = Paper(
    "Learning Multiple Layers of Features from Tiny Images",
    "Krizhevsky",
    "2009",
    "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
)
MNIST = Paper(
    "Gradient-Based Learning Applied to Document Recognition",
    "LeCun et al.",
    "Proceedings of the IEEE 1998",
    "http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
)
FACES = Paper(
    "Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained Environments",
    "Huang et al.",
    "2007",
    "https://vis-www.cs.umass.edu/lfw/lfw.pdf",
)
