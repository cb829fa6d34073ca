"""Pixel formats and colour conversion."""
