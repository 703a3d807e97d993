"""Watcher: pictures dropped in a folder are classified, recorded and copied with their labels."""

__version__ = "0.1.0"
