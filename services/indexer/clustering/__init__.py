"""K-means and transforms in pure numpy."""
