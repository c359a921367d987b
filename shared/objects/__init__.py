"""Files at addresses, and the object stores that hold some of them."""
