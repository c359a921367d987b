"""Catalogue to snapshot: commits, additions, deletions, retention."""
