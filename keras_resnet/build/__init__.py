"""From an Architecture to a graph of Keras layers: stem, units, stages, head."""
