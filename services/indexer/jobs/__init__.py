"""Running, leasing and cancelling jobs."""
