"""Catalogue of every image and every job."""
