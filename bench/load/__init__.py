"""Fifty people at once: a working day at ten times real speed, against gunicorn as in production."""
