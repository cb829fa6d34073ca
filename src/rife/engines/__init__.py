"""How a network is run: one protocol, one engine for each library that can."""
