"""The page of one infusion day: a frame and its sections, each in a module of its own."""
