"""Following a source: added, changed, moved and deleted files."""
