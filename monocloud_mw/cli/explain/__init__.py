"""``monocloud-mw explain``: every check of one access token, with what is expected and what is found."""
