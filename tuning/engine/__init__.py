"""The engine of a search, the only place that knows keras-tuner: oracles, chief, workers and their runs."""
