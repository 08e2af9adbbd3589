"""Messages to patients: planned as rows, checked again when they go out, sent once."""
