"""Ingest, catalogue, feature store, K-means, inverted index, snapshots, jobs."""
