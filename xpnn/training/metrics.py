"""Metrics: numbers that people read."""
