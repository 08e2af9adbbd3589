"""Two connections at the same instant, thousands of times: one wins, the other is told in the service's own words."""
