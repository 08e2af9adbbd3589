"""Backup and restore: encrypted, checked by restoring, kept for so long. See ``archive`` for what is in the file."""

from clinic.services.backups.facts import LastBackup, last_backup

__all__ = ["LastBackup", "last_backup"]
