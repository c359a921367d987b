"""Image and text towers that were trained together (CLIP and its kin)."""
