"""The version of this program, as pyproject.toml has it; a container has no other place for it."""

VERSION = "0.1.0"
