"""Classes of image files: by which network, of which files, and how the answers are written."""
