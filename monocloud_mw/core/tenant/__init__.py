"""What is known of the tenant: metadata and key set through outages, and how the API authenticates there."""
