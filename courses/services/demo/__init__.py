"""A fictitious clinic that lives around today's date, built through the services, so that it cannot break a rule."""
