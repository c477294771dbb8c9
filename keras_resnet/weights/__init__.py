"""Weights that other people trained: read, renamed, checked and loaded."""
