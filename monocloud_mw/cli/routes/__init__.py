"""``monocloud-mw routes``: what each route of an application needs, and rules that match no route."""
