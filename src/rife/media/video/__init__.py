"""Video files: demuxing, decoding, encoding and muxing."""
