"""The embedder against plain timm, one image at a time; and what its engines do to features."""
