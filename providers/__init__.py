"""Adapters to systems outside."""
