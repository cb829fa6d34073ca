"""Image files, image sequences and animations."""
