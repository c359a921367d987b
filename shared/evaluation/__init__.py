"""How well a running engine finds what belongs together, and a report of it."""
