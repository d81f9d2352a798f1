"""The fastest equivalent of a trained graph, and the benchmark that times it."""
