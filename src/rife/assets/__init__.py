"""What is fetched, and the folder where it is kept."""
