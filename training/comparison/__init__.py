"""Runs compared: curves over one another, a table of their errors over seeds, and what differs between them."""
