"""What Numba compiles: convolutions, the passes over a frame, colours; on arrays alone."""
