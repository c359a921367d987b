"""Pictures from bytes to pixels, in processes that a bad file can't harm."""
