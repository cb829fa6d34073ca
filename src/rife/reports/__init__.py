"""Ways to see what was made."""
