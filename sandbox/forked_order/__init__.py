"""Oscar's order app, forked for one thing: order numbers that are not integers."""
