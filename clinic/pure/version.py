"""The version of this release: shown to managers, written into backups and metrics, and compared by the restore."""

VERSION = "0.8.0"
