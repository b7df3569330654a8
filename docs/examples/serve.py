"""Serves the example API in each framework, for the tenant in the environment variables."""

from __future__ import annotations

import signal
import sys
from typing import Final

from servers import running_servers

from monocloud_mw import BackendClient, ConfigurationError, MonoCloudError

PORTS: Final = {"Flask": 8001, "WSGI": 8002, "ASGI": 8003, "FastAPI": 8004, "Django": 8005}


def main() -> int:
    try:
        with BackendClient() as client:
            print(f"fetching the keys of {client.options.tenant_domain} ...", flush=True)
            client.prefetch()
    except ConfigurationError as error:
        print("Invalid settings:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    except MonoCloudError as error:
        print(
            f"{error}\nServing anyway: the API responds with 503 until the tenant is reachable.",
            file=sys.stderr,
        )
    with running_servers({}, PORTS) as urls:
        for name, url in urls.items():
            print(f'# {name}\ncurl -i -H "Authorization: Bearer $TOKEN" {url}/me', flush=True)
        print("\nCtrl-C stops everything.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
