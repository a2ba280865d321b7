"""Runbooks run without a person, and the records that are kept of it."""
