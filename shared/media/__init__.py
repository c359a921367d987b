"""Pictures: how their values, colours and damage are read."""
