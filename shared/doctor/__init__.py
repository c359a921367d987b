"""Checks of `ise doctor`. Each yields findings, changes nothing, and raises nothing."""
