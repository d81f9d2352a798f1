"""Training: the loop, the optimiser, the process that trains one run, and sweeps of several runs."""
