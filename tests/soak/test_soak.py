"""A short run, from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from .checker import find_problems
from .durations import SHORT
from .run import soak

pytestmark = pytest.mark.slow


def test_every_response_is_one_that_the_contract_names(tmp_path: Path) -> None:
    """All kinds of requests and faults for some seconds; if it fails, ``make soak`` shows more."""
    with (tmp_path / "servers.log").open("w") as log:
        run = soak(14.0, 7, SHORT, log=log, say=print)
    assert find_problems(run.observations) == []
    statuses = {sample.status for sample in run.observations.samples}
    assert statuses == {200, 400, 401, 403, 503}, "without a 503 the tenant never failed"
