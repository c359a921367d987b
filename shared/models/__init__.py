"""Identity of models: canaries and external fingerprints."""
