"""The accounts that setup_sandbox makes. Known to everybody, so never for a shop on the internet."""

CUSTOMER_EMAIL = "customer@example.com"
CUSTOMER_PASSWORD = "customer-demo"
STAFF_EMAIL = "staff@example.com"
STAFF_PASSWORD = "staff-demo"
