"""Care of a data directory, from outside of the service: check, repair, backup, restore."""
