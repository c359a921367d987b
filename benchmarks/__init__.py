"""The index measured side by side with its peers. `python -m benchmarks --help` says how."""
