"""What the simulator takes unless told otherwise. Everybody can read it here, so none of it is a
secret, and none of it is for a shop that talks to the real Rehive."""

DEMO_TOKEN = "simulator-" * 6 + "demo"
"""The token of the API: 64 characters."""
DEMO_BUSINESS = "demo-business"
DEMO_WEBHOOK_SECRET = "demonstration-webhook-secret-of-the-sandbox"  # noqa: S105 -- no secret
"""Of the sandbox shop, which has its webhook registered with it."""
