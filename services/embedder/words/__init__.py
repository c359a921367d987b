"""Word vectors, by which a trained joint space reads terms."""
