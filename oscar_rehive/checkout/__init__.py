"""The checkout: Oscar's, with a step to choose the payment method and Rehive as one of them."""
