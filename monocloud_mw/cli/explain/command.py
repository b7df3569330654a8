"""``explain``: its arguments and output. No part of the token is printed."""

from __future__ import annotations

import argparse
from typing import Any

from ...core.token.presented import Presented
from ...core.token.requirements import Requirements
from ...drivers.clock import system_clock
from ...drivers.threads import SyncDriver
from ...options import Options
from ...transports.requests import RequestsTransport
from ..arguments import ArgumentParser, seconds
from ..console import TookTooLongError, print_error, print_json, wait_for
from .explain import Explanation, explain_token
from .report import print_text, to_dict
from .setup import parse_time, read_options
from .token_input import read_bytes, read_token

__all__ = ["add_to"]

DESCRIPTION = (
    "Show every check of an access token with expected and found values, and the first check that fails. The"
    " token is read from standard input, unless it is given as an argument or file; no part of it is printed."
    " (Arguments are visible in the process list and in the shell history.) Settings come from the"
    " MONOCLOUD_BACKEND_ variables. Exit status 0 if the token is accepted, 1 if not."
)
EXCHANGES = 6
"""The maximum number of exchanges: metadata, keys, refreshed keys, introspection, some of them twice."""


def add_to(subcommands: Any) -> None:
    """Add this command to the command line."""
    parser: ArgumentParser = subcommands.add_parser(
        "explain", help="show why a token is refused", description=DESCRIPTION, allow_abbrev=False
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("token", nargs="?", metavar="TOKEN", help="the token; '-' reads standard input")
    source.add_argument("--file", metavar="FILE", help="a file with the token")
    parser.add_argument(
        "--scope", "--scopes", action="append", default=[], help="a required scope; repeatable"
    )
    parser.add_argument(
        "--any-scope",
        "--any-scopes",
        action="append",
        default=[],
        help="one of these is required; repeatable",
    )
    parser.add_argument(
        "--group", "--groups", action="append", default=[], help="a required group; repeatable"
    )
    parser.add_argument("--certificate", metavar="FILE", help="the caller's certificate, PEM or DER")
    parser.add_argument("--at", type=parse_time, metavar="TIME", help="check at this time: ISO 8601 or Unix")
    parser.add_argument("--issuer", metavar="URL", help="the tenant domain; overrides the variable")
    parser.add_argument("--audience", action="append", help="overrides the variable; repeatable")
    parser.add_argument("--offline", action="store_true", help="do not use the network; needs --jwks")
    parser.add_argument("--jwks", metavar="FILE", help="the tenant's key set, for --offline")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="time limit of each exchange (default: 5)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=lambda arguments, _log: run(parser, arguments))


def run(parser: ArgumentParser, arguments: argparse.Namespace) -> int:
    """Explain a token, and return the exit status."""
    if arguments.offline != (arguments.jwks is not None):
        parser.error("argument --offline: must be given together with --jwks")
    try:
        options = read_options(arguments)
        certificate = (
            None if arguments.certificate is None else read_bytes(arguments.certificate, "--certificate")
        )
        token = read_token(arguments)
    except ValueError as error:
        print_error(f"error: {error}")
        return 1
    requirements = Requirements.of(arguments.scope, arguments.group, arguments.any_scope)
    presented = Presented(token, client_certificate=certificate)
    limit = EXCHANGES * arguments.timeout + 1
    try:
        explanation = wait_for(
            "the tenant",
            lambda: _explain(presented, requirements, options, offline=arguments.offline),
            limit_seconds=limit,
        )
    except TookTooLongError:
        print_error(f"error: no result within {limit:g} seconds; run monocloud-mw doctor")
        return 1
    if arguments.json:
        print_json(to_dict(explanation, token))
    else:
        print_text(explanation, token)
    return 0 if explanation.error is None else 1


def _explain(
    presented: Presented, requirements: Requirements, options: Options, *, offline: bool
) -> Explanation:
    transport: Any = options.fetcher or RequestsTransport(
        ca_bundle=options.ca_bundle, client_certificate=options.mtls_certificate
    )
    clock = system_clock(options.clock)
    driver = SyncDriver(transport, cache=None, clock=clock, wait_timeout=options.response_timeout)
    try:
        return explain_token(presented, requirements, options, driver.run, clock, offline=offline)
    finally:
        driver.close()
        if isinstance(transport, RequestsTransport):
            transport.close()
