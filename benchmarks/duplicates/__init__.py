"""Duplicates with a budget of error: made pairs, look-alikes, and what is told of them."""
