"""The `ise` command; it talks to the services and loads no web framework."""
