"""What an accountant wants to know, in Oscar's own reports.

Oscar's ``get_class`` looks in this package where the dashboard's config is the one of
``oscar_rehive.dashboard.apps``: ``utils.py`` and ``views.py`` are the modules with a name of Oscar's.
"""
