"""Copies of snapshots in object stores."""
