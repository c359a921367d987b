"""Milvus as the engine: https://milvus.io. Nothing here is imported unless a snapshot is there."""
