"""Two frames and a time in, the frame between out."""
