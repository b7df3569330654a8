"""A short run, from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from .durations import SHORT
from .judge import judge
from .run import soak

pytestmark = pytest.mark.slow


def test_every_response_is_one_that_the_contract_names(tmp_path: Path) -> None:
    """Some seconds of everything at once; where this fails, ``make soak`` shows more."""
    with (tmp_path / "servers.log").open("w") as log:
        run = soak(14.0, 7, SHORT, log=log, say=print)
    assert judge(run.evidence) == []
    statuses = {sample.status for sample in run.evidence.samples}
    assert statuses == {200, 400, 401, 403, 503}, "without a 503 the tenant never failed"
