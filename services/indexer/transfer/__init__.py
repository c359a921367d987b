"""Vectors in, the collection out."""
