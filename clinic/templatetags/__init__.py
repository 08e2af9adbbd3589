"""Template tags and filters of the place: they show, they decide nothing."""
