"""What attackers try, as tables: one module per family, and the tests that run all of them."""
