"""What is more than fits into memory."""

# Of an image, in pixels: a batch of larger ones, and what a network makes of them, fits no memory.
LARGEST_SIDE = 4096
