"""The tenant's discovery document and key set, cached and refreshed, and the API's authentication there."""
