"""The client of Rehive alone: no shop, no database."""
