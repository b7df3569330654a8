"""HTTP exchanges with the tenant: ``requests`` for threads, ``httpcore2`` for event loops.

Both transports follow these rules; ``tests/transports/test_contract.py`` tests each of them:

- URL, headers and body are sent unchanged; redirects are not followed, cookies are not stored;
- a response with any final status (200 and up) is returned; interim responses (100, 102, 103) are skipped;
- an exchange takes at most ``timeout_seconds`` from when it has a connection. Waiting for a connection is
  also limited to ``timeout_seconds``, and fails with ``HttpError.local``;
- GET requests (documents) and others (introspections) have separate limits for connections;
- a kept connection that fails before any byte of a response is replaced once, within the same timeout.

References: RFC 9110 section 15.2, RFC 9112 sections 9.3.1 and 9.5.
"""
