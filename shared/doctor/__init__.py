"""Checks of `ise doctor`. Each gives findings, changes nothing, and raises nothing."""
