"""The search space: what a field may be, read from data, and which points are networks."""
