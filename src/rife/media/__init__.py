"""Video files: reading, writing, and the colours in between."""
