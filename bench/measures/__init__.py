"""One file for each thing that is measured: ``TITLE`` and ``measure(data)``, which yields figures."""
