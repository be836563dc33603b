"""Searches whose candidates are trained together."""
