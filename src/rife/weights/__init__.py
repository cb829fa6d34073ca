"""Published and local weights: catalogue, download by hash, safe reading, and recognition of the network."""
