"""The service that keeps an order and its invoices in agreement about money.

No HTTP request objects, no templates, no Oscar. Every function that talks to Rehive does so outside
of any database transaction (promise P8).
"""
