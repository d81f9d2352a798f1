"""To be imported by a process that will answer people: all that takes seconds the first time, before the first of them waits for it."""

import torch._dynamo  # noqa: F401  what measures the shapes of a network imports it

import core.inference.clock
import core.inference.explain  # noqa: F401
from core.architectures.plain import Plain

Plain().build((1, 8, 8), 2)  # torch prepares itself when it counts multiply-adds for the first time
