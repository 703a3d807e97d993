"""Model packages: their format, the built-in ones and their weights, the registry, and the engines."""
