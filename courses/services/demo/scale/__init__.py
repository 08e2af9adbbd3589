"""A group of clinics as large as one gets after five years, written in bulk for trying and measuring.

What happens is planned here in Python, by the product's own rules (reference dates R1-R6, the judge); the rows are
written by COPY and SQL, because a million bookings one by one would take a day. Constraints are checked by the
database over all of it, what follows from the rows (results, worklists, the outbox) is worked out by the product.
"""
