"""Networks from normalised images to features, one family a file."""
