"""``monocloud-mw explain``: show every check of an access token with expected and found values."""
