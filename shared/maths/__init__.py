"""Linear algebra, projection and calibration."""
