"""The joint space of pictures and terms: networks, their training and store."""
