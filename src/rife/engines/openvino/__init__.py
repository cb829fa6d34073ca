"""Convolutions by OpenVINO."""
