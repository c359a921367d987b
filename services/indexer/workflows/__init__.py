"""Jobs, one kind a file: build, import, sync, compact, migrate, train."""
