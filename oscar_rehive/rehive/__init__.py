"""Rehive as a shop sees it: client, wire objects, statuses, money, webhook authentication.

Knows nothing of Django or of any shop system.
"""
