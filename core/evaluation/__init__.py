"""Evaluation of trained networks: accuracy, cost, baselines and reports."""
