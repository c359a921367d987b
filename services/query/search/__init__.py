"""The core: searching one open snapshot. Knows no HTTP."""
