"""The formats of image files that are decoded."""

# By the endings of file names; which format a file has is read from its first bytes.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".jxl")
FORMATS = "JPEG, PNG, GIF, BMP, WebP or JPEG XL"
