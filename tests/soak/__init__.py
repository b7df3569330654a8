"""Minutes of mixed traffic on real servers, while the tenant fails in every way.

A seeded injector stops, slows, rotates and garbles a local tenant, clients on threads and on an event loop
ask the example APIs (Flask and WSGI under gunicorn, ASGI under uvicorn), and a judge compares every response
with what the contract allows for the state that the tenant was in. A short run is part of the tests;
``make soak`` runs a long one, shows its progress and draws what happened.
"""
