"""The store owner's desk in Oscar's own dashboard: a face, like the admin; money moves in ``payments/``."""
