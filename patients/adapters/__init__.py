"""Readers of files that come from outside."""
