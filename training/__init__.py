"""Makes the models inside the package; no part of what runs."""
