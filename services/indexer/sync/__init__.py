"""Following a source: what came, changed, moved and went."""
