"""``explain``: the checks of a token in order, and the result of the validator.

Each step calls the same function as the validator. The result is that of the validator itself, so it
is what an API does even if a step should differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from ...claims import AccessTokenClaims
from ...core.effects import Flow, Instant
from ...core.token.introspection import Introspection
from ...core.token.jwt import ACCESS_TOKEN_TYPES, check_payload, check_type
from ...core.token.presented import Presented
from ...core.token.requirements import Requirements
from ...core.token.validator import REFUSE_OPAQUE, Validator, check_introspectable, check_token_text
from ...errors import MonoCloudError, Reason, TokenError
from ...jose import CompactParts, JwsHeader, KeySet, base64url, parse_header, parse_json_object, split_compact
from ...jose.jws import verify
from ...options import Options
from ...quoting import quoted
from .claims import CLAIM_STEPS, explain_claims
from .step import Step, StepRecorder

__all__ = ["Explanation", "explain_token"]

_KEY_STEPS: Final = ("key set", "key", "signature")

OFFLINE: Final = "opaque tokens are introspected, which needs the network: explain this one without --offline"

Run = Callable[[Flow[Any]], Any]


@attrs.frozen
class Explanation:
    """All steps, and the error of the validator, or ``None`` if the token is accepted."""

    steps: tuple[Step, ...]
    error: MonoCloudError | None


def explain_token(
    presented: Presented,
    requirements: Requirements,
    options: Options,
    run: Run,
    now: Callable[[], Instant],
    *,
    offline: bool = False,
) -> Explanation:
    """Run the checks of an access token.

    Args:
        presented: the token and the caller's certificate.
        requirements: the requirements of the route.
        options: the options of the API.
        run: runs a flow, with or without network.
        now: reads the clock.
        offline: whether the network is not used, so that no token can be introspected.
    """
    recorder, validator = StepRecorder(), Validator(options)
    _Explainer(recorder, validator, presented, requirements, options, run, now, offline).explain()
    try:
        run(validator.authenticate(presented, requirements, now()))
    except MonoCloudError as error:
        return Explanation(tuple(recorder.steps), error)
    return Explanation(tuple(recorder.steps), None)


@attrs.frozen
class _Explainer:
    recorder: StepRecorder
    validator: Validator
    presented: Presented
    requirements: Requirements
    options: Options
    run: Run
    now: Callable[[], Instant]
    offline: bool

    def explain(self) -> None:
        token, options = self.presented.token, self.options
        text = self.recorder.check(
            "text",
            lambda: check_token_text(token, options.max_token_size),
            f"1 to {options.max_token_size} characters",
            f"{len(token)} characters",
        )
        parts = split_compact(token) if text.passed else None
        if not text.passed:
            self.recorder.miss("form", *CLAIM_STEPS)
        elif parts is not None and not options.introspect_jwt_tokens:
            self.recorder.check("form", lambda: None, "a JWT: three parts separated by dots", "three parts")
            self._explain_jwt(parts)
        else:
            self._explain_opaque()

    def _explain_jwt(self, parts: CompactParts) -> None:
        recorder = self.recorder
        encoded_header, encoded_payload, encoded_signature, signing_input = parts
        decoded = recorder.check(
            "encoding",
            lambda: (base64url.decode(encoded_payload), base64url.decode(encoded_signature)),
            "base64url without padding",
        )
        header = recorder.check(
            "header",
            lambda: parse_header(encoded_header, self.options.algorithms),
            "a JSON object with an accepted alg, without crit, b64, enc and zip",
            lambda header: f"alg {header.algorithm.name}, {_kid(header)}",
        )
        if header.value is None:
            recorder.miss("type")
        else:
            parameters = header.value.parameters
            recorder.check(
                "type",
                lambda: check_type(parameters),
                f"typ is one of {', '.join(sorted(ACCESS_TOKEN_TYPES))}, or absent",
                f"typ {quoted(parameters['typ'])}" if "typ" in parameters else "no typ",
            )
        if decoded.value is None:
            recorder.miss("payload", *_KEY_STEPS, "claims", *CLAIM_STEPS)
            return
        payload, signature = decoded.value
        recorder.check("payload", lambda: check_payload(payload), "a JSON object")
        keys: KeySet | None = None
        if header.value is None or recorder.failed:
            recorder.miss(*_KEY_STEPS)
        else:
            keys = self._load_keys()
            if keys is None:
                recorder.miss("key", "signature")
            else:
                self._explain_signature(header.value, signature, signing_input.encode(), keys)
        members = recorder.check(
            "claims", lambda: parse_json_object(payload), "strict JSON: no duplicate names"
        )
        if members.value is None:
            recorder.miss(*CLAIM_STEPS)
            return
        issuer = None if keys is None else self._try(self.validator.tenant.jwt_issuer(self.now()))
        self._explain_claims(self._to_claims(members.value), issuer, is_jwt=True)

    def _load_keys(self) -> KeySet | None:
        outcome = self.recorder.check(
            "key set",
            lambda: self.run(self.validator.tenant.keys.current(self.now())),
            "the tenant's keys",
            lambda keys: f"{len(keys)} usable keys, {len(keys.skipped)} unusable ones",
        )
        return outcome.value

    def _explain_signature(
        self, header: JwsHeader, signature: bytes, signing_input: bytes, keys: KeySet
    ) -> None:
        def check_key() -> None:
            if keys.search(header.algorithm.name, header.key_id) is None:
                verify(header, signature, signing_input, keys)  # raises the error

        known = ", ".join(quoted(key.key_id) for key in keys.keys[:10] if key.key_id is not None)
        key = self.recorder.check(
            "key",
            check_key,
            f"a key of the tenant for {header.algorithm.name} (it has {known or 'no kid'})",
            _kid(header),
        )
        if key.passed:
            self.recorder.check(
                "signature", lambda: verify(header, signature, signing_input, keys), "made by that key"
            )
        else:
            self.recorder.miss("signature")

    def _explain_opaque(self) -> None:
        recorder, token, options = self.recorder, self.presented.token, self.options

        def check_form() -> None:
            if options.client_id is None:
                raise TokenError(Reason.MALFORMED, REFUSE_OPAQUE, hint=OFFLINE if self.offline else None)
            check_introspectable(token)

        expected = "a token to introspect: no surrounding white space, no control characters"
        if self.offline:
            expected = "a JWT, because introspection needs the network (--offline)"
        elif options.client_id is None:
            expected = "a JWT, because client_id is not set, which introspection needs"
        form = recorder.check("form", check_form, expected)
        if not form.passed:
            recorder.miss("introspection", *CLAIM_STEPS)
            return
        claims = recorder.check(
            "introspection",
            lambda: self.run(Introspection(options, self.validator.tenant).claims(token)),
            "the tenant returns it as an active access token",
        )
        if claims.value is None:
            recorder.miss(*CLAIM_STEPS)
            return
        metadata = self._try(self.validator.tenant.metadata.current(self.now()))
        self._explain_claims(claims.value, None if metadata is None else metadata.issuer, is_jwt=False)

    def _explain_claims(self, claims: AccessTokenClaims, issuer: str | None, *, is_jwt: bool) -> None:
        explain_claims(
            self.recorder,
            claims,
            issuer,
            self.presented,
            self.requirements,
            self.options,
            self.now(),
            is_jwt=is_jwt,
        )

    def _to_claims(self, members: Any) -> AccessTokenClaims:
        return AccessTokenClaims(
            members, groups_claim=self.options.groups_claim, scopes_claim=self.options.scopes_claim
        )

    def _try(self, flow: Flow[Any]) -> Any:
        """Return the result of a flow, or ``None`` if the tenant cannot be reached (shown by a step)."""
        try:
            return self.run(flow)
        except MonoCloudError:
            return None


def _kid(header: JwsHeader) -> str:
    return "no kid" if header.key_id is None else f"kid {quoted(header.key_id)}"
