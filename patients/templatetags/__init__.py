"""Template filters of the person: they show, they decide nothing."""
