"""The command line: subcommands, exit statuses, and errors without tracebacks.

Exit status: 0 for success, 1 for a failure, 2 for invalid arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import MonoCloudError
from ..version import __version__
from .arguments import ArgumentParser
from .console import OutputError, discard_output, print_error
from .doctor import command as doctor
from .explain import command as explain
from .log_collector import collect_log
from .routes import command as routes

__all__ = ["main"]

FAILED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: the arguments without the program name; default: those of the process.
    """
    try:
        parsed = _parser().parse_args(arguments)
        with collect_log() as log:
            status: int = parsed.run(parsed, log)
    except KeyboardInterrupt:
        print_error("interrupted")
    except BrokenPipeError:  # the reader has closed the pipe
        discard_output()
    except OutputError as error:
        discard_output()
        print_error(f"error: cannot write output: {error}")
    except MonoCloudError as error:
        print_error(f"error: {error}; see {error.docs}")
    except Exception as error:  # noqa: BLE001  its message may contain input
        print_error(f"error: unexpected {type(error).__name__}; please report it, with the command")
    else:
        return status
    return FAILED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="monocloud-mw", description="Find out why an API refuses a token.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"monocloud-mw {__version__}")
    subcommands = parser.add_subparsers(
        required=True, metavar="COMMAND", dest="command", parser_class=ArgumentParser
    )
    for command in (doctor, explain, routes):
        command.add_to(subcommands)
    return parser
