"""Typed clients of the services' APIs, over one transport."""
