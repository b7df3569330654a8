"""The signing keys of a tenant."""

from __future__ import annotations

import pytest

from monocloud_mw.jose import SIGNATURE_ALGORITHMS
from monocloud_mw.testing._tenant.keys import KeyRing


def _ids(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.published()["keys"]]


def test_one_key_per_algorithm_is_published() -> None:
    """The key set has the public half of each key, with key ID and algorithm."""
    ring = KeyRing(["ES256", "EdDSA"])
    assert [(key["alg"], key["use"]) for key in ring.published()["keys"]] == [
        ("ES256", "sig"),
        ("EdDSA", "sig"),
    ]
    assert _ids(ring) == [ring.key("ES256").key_id, ring.key("EdDSA").key_id]
    assert not any("d" in key for key in ring.published()["keys"])


def test_the_first_algorithm_is_the_default() -> None:
    """Without a parameter the first algorithm signs."""
    assert KeyRing(["ES384", "ES256"]).key().algorithm == "ES384"


@pytest.mark.parametrize("algorithm", SIGNATURE_ALGORITHMS)
def test_every_algorithm_can_sign(algorithm: str) -> None:
    """Every algorithm that can be verified can sign."""
    assert KeyRing([algorithm]).key().algorithm == algorithm


@pytest.mark.parametrize("algorithms", [[], ["HS256"], ["none"], ["ES256", "es256"], "ES256"])
def test_algorithms_without_a_private_key_are_refused(algorithms: list[str]) -> None:
    """An unknown or symmetric algorithm, or no algorithm, is refused at once."""
    with pytest.raises(ValueError, match="algorithms must be some of RS256, "):
        KeyRing(algorithms)


def test_a_rotation_adds_keys() -> None:
    """After a rotation new keys sign, and the key set still has the old ones."""
    ring = KeyRing(["ES256", "EdDSA"])
    before = _ids(ring)
    ring.rotate()
    assert _ids(ring)[2:] == before
    assert ring.key().key_id == _ids(ring)[0]
    assert len(set(_ids(ring))) == 4


def test_a_rotation_can_withdraw() -> None:
    """With withdraw, the key set has no older key, not even of earlier rotations."""
    ring = KeyRing(["ES256"])
    ring.rotate()
    before = _ids(ring)
    ring.rotate(withdraw=True)
    assert _ids(ring) == [ring.key().key_id]
    assert not set(before) & set(_ids(ring))


def test_a_rotation_of_one_algorithm_leaves_the_others() -> None:
    """Only the named algorithm gets a new key."""
    ring = KeyRing(["ES256", "EdDSA"])
    es256, eddsa = ring.key("ES256"), ring.key("EdDSA")
    ring.rotate(["ES256"])
    assert ring.key("EdDSA") is eddsa
    assert ring.key("ES256") is not es256


def test_a_strangers_key_has_an_unpublished_id() -> None:
    """The stranger's key stays the same and is not in the key set."""
    ring = KeyRing(["ES256"])
    stranger = ring.key("ES256", "stranger")
    assert stranger.key_id not in _ids(ring)
    assert ring.key("ES256", "stranger") is stranger


def test_an_impostors_key_has_the_id_of_the_current_key() -> None:
    """The impostor's key has the key ID of the tenant's current key, also after a rotation."""
    ring = KeyRing(["ES256"])
    impostor = ring.key("ES256", "impostor")
    assert impostor.key_id == ring.key().key_id
    assert impostor.public_jwk()["x"] != ring.key().public_jwk()["x"]
    ring.rotate()
    assert ring.key("ES256", "impostor").key_id == ring.key().key_id


@pytest.mark.parametrize(
    ("algorithm", "signer", "message"),
    [
        ("RS256", "tenant", "this tenant signs with ES256"),
        ("ES256", "friend", "signed_by must be tenant, stranger or impostor"),
    ],
)
def test_a_key_that_does_not_exist_is_refused(algorithm: str, signer: str, message: str) -> None:
    """The error lists the existing keys."""
    with pytest.raises(ValueError, match=message):
        KeyRing(["ES256"]).key(algorithm, signer)  # type: ignore[arg-type]


def test_rings_share_no_keys() -> None:
    """Two tenants have different keys."""
    assert KeyRing(["ES256"]).key().public_jwk()["x"] != KeyRing(["ES256"]).key().public_jwk()["x"]
