import torch

from core import Builder, Greedy, cost, execute
from core.modules.layers import classifier, conv

g = Builder(image=(3, 32, 32))
stem = g.add("stem", conv(3, 16), g.input)
narrow, wide = g.control("Q", stem, options=("narrow", "wide"))
g.output("y narrow", classifier(16, 10), stem, when=narrow)
features = g.add("wide path", conv(16, 64), stem, when=wide)
g.output("y wide", classifier(64, 10), features)
graph = g.build().eval()
execution = execute(graph, torch.randn(8, 3, 32, 32), Greedy())
print(execution.ran["wide path"], execution.output.shape, cost(graph, execution).used)
