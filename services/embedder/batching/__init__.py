"""Requests to batches: lanes, priorities, callers who left."""
