"""A second look at pairs of pictures that may be the same one."""
