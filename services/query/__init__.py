"""Probes, re-ranks, answers; the JSON API and the web page."""
