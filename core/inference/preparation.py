"""To be imported by a process that will answer people: all that takes seconds to import, before the first of them waits for it."""

import torch._dynamo  # noqa: F401  what measures the shapes of a network imports it

import core.inference.clock
import core.inference.explain  # noqa: F401
