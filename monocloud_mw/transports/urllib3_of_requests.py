"""The ``urllib3`` that ``requests`` uses, and a check that it has the hooks that the transport overrides.

``requests`` determines which ``urllib3`` is installed; 1.26 and 2 are supported. The checked names are hooks
for subclasses, some of them private, as is the one of ``http.client``. If one were missing without notice,
exchanges would have no deadline, idle connections no maximum age, or bodies no strict framing.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import urllib3
    import urllib3.connection
    import urllib3.connectionpool
else:
    from requests.packages import urllib3

__all__ = ["URLLIB3_1", "urllib3"]

URLLIB3_1: Final[bool] = cast(Any, urllib3).__version__.startswith("1.")
"""Whether it is version 1.26, which compares host names itself, except those of proxies."""

HOOKS: Final = {
    "connection.HTTPConnection": ("_new_conn", "connect", "request", "getresponse", "response_class"),
    "connection.HTTPSConnection": ("connect",),
    "connectionpool.HTTPConnectionPool": ("ConnectionCls", "QueueCls"),
    "connectionpool.HTTPSConnectionPool": ("ConnectionCls", "QueueCls"),
}


def check_hooks(module: Any) -> None:
    """Check that a ``urllib3`` has every hook.

    Raises:
        ImportError: a hook is missing; the message names the version.
    """
    for path, names in HOOKS.items():
        module_name, class_name = path.split(".")
        found = getattr(getattr(module, module_name, None), class_name, None)
        for name in names:
            if not hasattr(found, name):
                raise ImportError(
                    f"urllib3 {module.__version__} has no {path}.{name}; install urllib3 1.26 or 2"
                )
    if not hasattr(http.client.HTTPResponse, "_get_chunk_left"):
        raise ImportError("this Python has no http.client.HTTPResponse._get_chunk_left")
    connection = module.connection.HTTPConnection("127.0.0.1")
    if not hasattr(connection, "_dns_host") or not hasattr(connection, "socket_options"):
        raise ImportError(
            f"urllib3 {module.__version__} has no supported HTTPConnection; install urllib3 1.26 or 2"
        )
    if not hasattr(module.PoolManager(), "pool_classes_by_scheme"):
        raise ImportError(
            f"urllib3 {module.__version__} has no supported PoolManager; install urllib3 1.26 or 2"
        )


check_hooks(urllib3)
