"""Files at addresses: what an address is, and the object stores behind some."""
