"""Workflows, on real workers."""
