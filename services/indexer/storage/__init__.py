"""Files that the indexer keeps: features, pictures, networks."""
