"""Worth of an index: recall, calibration, drift."""
