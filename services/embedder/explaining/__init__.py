"""Reasons for a match: which parts of a picture account for it."""
