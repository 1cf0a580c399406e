"""Pay Django-Oscar orders through Rehive."""

__version__ = "0.1.0"
