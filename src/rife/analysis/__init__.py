"""What a source video is before frames are made: where it cuts, which frames repeat, how much changes."""
