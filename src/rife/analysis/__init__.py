"""Analysis of a source video: cuts, repeated frames, and the amount of change."""
