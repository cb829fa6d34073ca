"""The RIFE networks, on PyTorch alone."""
