"""Weights: files of this package and of others, their naming schemes, and loading them."""
