"""Running a network on the CPU, with exchangeable convolutions."""
