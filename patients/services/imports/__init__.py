"""Imports of patients from files: read, judged, matched with the registry, written as a whole or not at all."""
