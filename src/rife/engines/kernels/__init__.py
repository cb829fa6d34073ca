"""What Numba compiles: the passes over a frame and the convolutions, on arrays alone."""
