"""What the top Snakefile imports from here is imported at every start."""

import subprocess
import sys

from common import files

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
