"""Snapshots that the indexer publishes and query reads: immutable, checked, whole or not there."""
