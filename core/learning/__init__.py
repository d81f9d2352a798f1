"""What the methods share: losses, set-based metrics, and the calibration of λ."""
