"""The on-disk inverted index: terms are centroids, postings are the features of each cluster."""
