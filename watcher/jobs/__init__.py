"""Job files, and what is done with a model that one has trained."""
