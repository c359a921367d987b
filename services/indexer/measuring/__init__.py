"""What an index is worth: recall, calibration, drift."""
