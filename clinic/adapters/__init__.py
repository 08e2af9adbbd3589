"""Adapters to what is not ours: the embedded servers, the sign-in library."""
