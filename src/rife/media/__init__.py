"""Input and output of videos and images, and colour conversion."""
