"""Both drivers: performing effects, and sharing concurrent runs."""
