"""The core: one snapshot held open, and how it is searched. Knows no HTTP."""
