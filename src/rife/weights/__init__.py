"""Published and local weights: named, fetched by hash, read safely, recognised."""
