"""Files of weights as named arrays, one module a format. Nothing in them is run, and nothing here knows a network."""
