"""Evaluation of a running engine, with a report."""
