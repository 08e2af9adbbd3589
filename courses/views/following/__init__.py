"""Pages that follow a course: response, reviews, maintenance, boosters, measures due, care beside, closing, offers."""
