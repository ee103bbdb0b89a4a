"""The relay and the reconciler."""
