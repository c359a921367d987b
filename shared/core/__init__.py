"""Errors, settings and other basics; no HTTP, no files of the index."""
