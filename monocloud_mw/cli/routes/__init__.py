"""``monocloud-mw routes``: list the requirements of each route, and rules that match no route."""
