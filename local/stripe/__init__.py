"""A stand-in for Stripe: small, stateful, strict. What a new user pays with, and what the tests of payments run against.

It knows nothing of the app: they meet over HTTP only, as with Stripe. `python -m local.stripe --help` tells how to run it.
"""
