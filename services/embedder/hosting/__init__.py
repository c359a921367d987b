"""Hosts of models: load them, answer with them, and hand them over; one for each profile."""
