"""The client side of the embedder: features, models, canaries."""
