"""Training as a generator, evaluation, and the process that trains one run."""
