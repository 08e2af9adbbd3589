"""Messages without a database: when they are due, how long they are of use, what their words may be."""
