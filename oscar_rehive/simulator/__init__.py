"""A simulator of Rehive: the documented API, the hosted payment page, and webhook deliveries.

It is a program of its own (``rehive-simulator``) with its own address, for testing a checkout
without an account at Rehive and without money. It needs Flask: ``django-oscar-rehive[simulator]``.
"""
