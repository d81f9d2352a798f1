"""Search for options that are accurate and cheap, with Optuna, on the runs of the store."""
