"""SPEED: side by side with stock Dramatiq, on the same servers, in one go: `python -m benchmarks`."""
