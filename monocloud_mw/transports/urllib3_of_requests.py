"""The ``urllib3`` that ``requests`` uses, and a check that it has what the transport builds on.

``requests`` decides which ``urllib3`` is installed; 1.26 and 2 both work. The names that are checked here
are hooks for subclasses, some of them private. One that is missing must be noticed: without it, an exchange
would have no deadline, or a kept connection none to end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import urllib3
    import urllib3.connection
    import urllib3.connectionpool
else:
    from requests.packages import urllib3

__all__ = ["URLLIB3_1", "urllib3"]

URLLIB3_1: Final[bool] = cast(Any, urllib3).__version__.startswith("1.")
"""Whether it is version 1.26, which compares host names itself, but not those of proxies."""

HOOKS: Final = {
    "connection.HTTPConnection": ("_new_conn", "connect", "request", "getresponse", "response_class"),
    "connection.HTTPSConnection": ("connect",),
    "connectionpool.HTTPConnectionPool": ("ConnectionCls", "QueueCls"),
    "connectionpool.HTTPSConnectionPool": ("ConnectionCls", "QueueCls"),
}


def check_hooks(module: Any) -> None:
    """Check that a ``urllib3`` has every hook.

    Raises:
        ImportError: it lacks one, and names the version.
    """
    for path, names in HOOKS.items():
        module_name, class_name = path.split(".")
        found = getattr(getattr(module, module_name, None), class_name, None)
        for name in names:
            if not hasattr(found, name):
                raise ImportError(
                    f"urllib3 {module.__version__} has no {path}.{name}; install urllib3 1.26 or 2"
                )
    connection = module.connection.HTTPConnection("127.0.0.1")
    if not hasattr(connection, "_dns_host") or not hasattr(connection, "socket_options"):
        raise ImportError(
            f"urllib3 {module.__version__} keeps a connection's host elsewhere; install urllib3 1.26 or 2"
        )
    if not hasattr(module.PoolManager(), "pool_classes_by_scheme"):
        raise ImportError(
            f"urllib3 {module.__version__} does not let its pools be replaced; install urllib3 1.26 or 2"
        )


check_hooks(urllib3)
