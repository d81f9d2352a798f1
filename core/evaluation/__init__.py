"""What a trained network is worth: accuracy, cost, the baselines it has to beat, and reports."""
