"""Files to features to catalogue rows."""
