"""What `make bench` measures, and how: contestants in processes of their own, taking turns."""
