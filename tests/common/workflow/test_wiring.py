"""What the top Snakefile imports from here is imported at every start."""

import subprocess
import sys
from types import SimpleNamespace

from snakemake.settings.types import MaxJobsPerTimespan

from common import files
from common.workflow import wiring

SLOW = {"matplotlib", "mne", "moabb", "nbformat", "pandas", "papermill", "scipy", "torch"}


def test_a_start_of_snakemake_imports_nothing_slow():
    code = (
        "import sys; from common.report import reference; "
        "from common.workflow import locks, papers, peaks, steps, targets, wiring; "
        "from common.workflow.notebooks import provenance; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    assert "common.workflow.wiring" in done.stdout.split()
    assert SLOW.isdisjoint(done.stdout.split())


def test_a_rate_that_nobody_asked_for_is_not_kept_and_another_one_is():
    def limit_of(rate):
        workflow = SimpleNamespace(
            scheduling_settings=SimpleNamespace(max_jobs_per_timespan=rate),
            scheduler=SimpleNamespace(job_rate_limiter=rate),
        )
        wiring.wait_for_jobs_alone(workflow)
        return workflow.scheduler.job_rate_limiter

    for text in ("5/1s", "100/1m"):
        rate = MaxJobsPerTimespan.parse_choice(text)
        assert limit_of(rate) is rate
    assert limit_of(MaxJobsPerTimespan.parse_choice("100/1s")) is None
    assert limit_of(None) is None
