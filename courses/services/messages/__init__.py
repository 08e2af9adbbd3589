"""What ``courses`` has to tell patients: one module for each group of kinds. ``registry`` names them to the outbox."""
