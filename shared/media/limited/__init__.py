"""Pictures from bytes to pixels within limits of memory and time."""
