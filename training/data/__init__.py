"""From a data set to batches: sources of images, splits, augmentation."""
