"""The framework-independent part of every adapter: credentials, path rules, error responses. Pure.

- :mod:`.guard` turns a request into claims or a refusal;
- :mod:`.authorization` reads the ``Authorization`` header (RFC 6750 section 2.1);
- :mod:`.resolvers` reads the results of ``token_resolver`` and ``certificate_resolver``;
- :mod:`.paths` lists the interpretations of a path;
- :mod:`.patterns` matches paths; :mod:`.foreign_syntax` detects the rule syntax of other frameworks;
- :mod:`.rules` reads path rules; :mod:`.policy` applies them to requests;
- :mod:`.responses` turns an error into status, headers and body (RFC 6750 section 3);
- :mod:`.logs` logs refused requests; :mod:`.observed` emits events for direct calls of a client;
- :mod:`.cors` detects CORS preflights;
- :mod:`.wrappers` finds the function that a decorated view wraps;
- :mod:`.adapter_checks` checks the arguments of adapters.
"""
