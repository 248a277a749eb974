"""What roc-validator has against a crate; run with the interpreter of `.venv-checkers`.

    .venv-checkers/bin/python tests/common/report/reference/validate_crate.py crate/ context.jsonld

`context.jsonld` says what the terms of RO-Crate 1.3 mean, as the package rocrate has it; with the
four terms below it stands in for the web address of version 1.2, so that no network is needed. The
profiles of runs build on RO-Crate 1.1, whose checks do not count. Names of profiles may follow. One
line for each issue: profile, entity, message.
"""

import json
import sys
from pathlib import Path

import requests

CRATE, CONTEXT, *CHOSEN = sys.argv[1:]
# The last one builds on those of processes, workflows and their runs.
PROFILES = CHOSEN or ("ro-crate-1.2", "provenance-run-crate")
TERMS = json.loads(Path(CONTEXT).read_text(encoding="utf-8"))
TERMS["@context"] |= {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/properties/input",
    "output": "https://bioschemas.org/properties/output",
}


def answer(self, request, **_):
    if not request.url.endswith("/context"):
        raise requests.ConnectionError(f"no network: {request.url}")
    response = requests.Response()
    response.status_code, response.url, response.request = 200, request.url, request
    response.headers["Content-Type"] = "application/ld+json"
    response._content = json.dumps(TERMS).encode()
    return response


requests.adapters.HTTPAdapter.send = answer

from rocrate_validator import services  # noqa: E402
from rocrate_validator.models import ValidationSettings  # noqa: E402

for asked in PROFILES:
    settings = ValidationSettings(
        rocrate_uri=CRATE,
        profile_identifier=asked,
        requirement_severity="REQUIRED",
        skip_availability_check=True,
        no_cache=True,
    )
    for issue in services.validate(settings).get_issues():
        profile = issue.check.requirement.profile.identifier
        if profile != "ro-crate-1.1":
            print(profile, issue.violatingEntity, issue.message, sep="\t")
