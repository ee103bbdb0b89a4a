"""Enqueueing: what is written, what is sent, and what is refused."""
