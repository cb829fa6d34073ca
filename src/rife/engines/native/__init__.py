"""Our own convolutions."""
