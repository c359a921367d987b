"""Pictures with their tags, albums, dates and descriptions from other applications."""
