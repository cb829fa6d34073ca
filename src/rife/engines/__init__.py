"""How a network is run: one protocol, and an engine for each way."""
