"""Tests of trained networks: in which views, with which figures, alone and as ensembles."""
