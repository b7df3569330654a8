"""HTTP, and nothing but HTTP: each module performs one ``HttpRequest`` with one HTTP client."""
