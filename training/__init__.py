"""Training of residual networks: configuration, data, strategies, runs."""
