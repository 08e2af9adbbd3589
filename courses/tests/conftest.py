from clinic.tests.fixtures import pytest_plugin_registered  # noqa: F401 (pytest finds the hook here)
