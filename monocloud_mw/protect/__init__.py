"""What protects an API whatever its web framework: credentials, rules, refusals. Pure.

- :mod:`.credentials` reads the ``Authorization`` header (RFC 6750 section 2.1);
- :mod:`.resolvers` lets an application say where tokens and certificates are instead;
- :mod:`.paths` lists the ways in which an application may interpret a path;
- :mod:`.patterns` tells which paths a rule matches, and :mod:`.foreign_syntax` what is not a rule;
- :mod:`.rules` says what a path and a method need;
- :mod:`.challenge` turns an error into a status, headers and a body (RFC 6750 section 3);
- :mod:`.settings` checks all of it together when a middleware is made.
"""
