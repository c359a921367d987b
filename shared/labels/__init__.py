"""Labels: what a classifier over named classes sees in a picture. They are never tags."""
