"""Durable writes, checksums and `.npy` headers."""
