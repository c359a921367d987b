"""What `ise doctor` looks at. Each check gives findings, changes nothing, and raises nothing."""
