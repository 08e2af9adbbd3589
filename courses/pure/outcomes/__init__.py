"""Outcome terms as clinical.md F1 defines them: pure functions over scores and infusions."""
