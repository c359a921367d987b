"""The index's files on disk and the spaces that they hold."""
