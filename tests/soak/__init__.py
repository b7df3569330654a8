"""Minutes of mixed traffic on real servers, while the tenant has faults of every kind.

A seeded injector stops, slows, rotates and corrupts a local tenant. Clients in threads and on an event loop
call the example APIs (Flask and WSGI under gunicorn, ASGI under uvicorn), and a checker compares every
response with what the contract allows for the tenant's state. A short run is part of the tests; ``make
soak`` does a long one, shows its progress and draws a chart.
"""
