"""Bytes → outcome: decode, predict, annotate. Pure: no folders, no database; runs here or on a cluster."""
