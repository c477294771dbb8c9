"""What may be chosen by name: shortcuts, activations, stems, placements, units. Read without importing Keras."""
