"""Run the unit tests that compute with the kernels of other processors, imitated on this one.

    python tests/dispatch.py                                    # make test-dispatch
    python tests/dispatch.py haswell tests/common/spd -k kernel # one dispatch, pytest's arguments

numpy, scipy, torch and numba choose their kernels by the processor, so that sums are added up in
another order elsewhere and results differ in their last digits. Each library can be told to take
the kernels of an older processor. A dispatch names one for all of them; those that this processor
cannot execute are left out.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

V2 = ("SSSE3", "SSE41", "POPCNT", "SSE42", "X86_V2")
V3 = (*V2, "AVX", "F16C", "FMA3", "AVX2", "X86_V3")
V4 = (*V3, "AVX512F", "AVX512CD", "AVX512_SKX", "X86_V4")

# What each needs of the processor, what numpy keeps, and what the other libraries are told. Without
# NUMBA_CPU_FEATURES numba adds this processor's own features to those of the one that is named.
DISPATCHES = {
    "nehalem": {
        "needs": ("SSE42",),
        "keeps": V2,
        "environment": {
            "OPENBLAS_CORETYPE": "Nehalem",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "ATEN_CPU_CAPABILITY": "default",
            "NUMBA_CPU_NAME": "generic",
        },
    },
    "haswell": {  # also what OpenBLAS takes on AMD's processors
        "needs": ("AVX2", "FMA3"),
        "keeps": V3,
        "environment": {
            "OPENBLAS_CORETYPE": "Haswell",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "ATEN_CPU_CAPABILITY": "avx2",
            "NUMBA_CPU_NAME": "haswell",
            "NUMBA_CPU_FEATURES": "",
        },
    },
    "skylakex": {
        "needs": ("AVX512_SKX",),
        "keeps": V4,
        "environment": {
            "OPENBLAS_CORETYPE": "SkylakeX",
            "MKL_ENABLE_INSTRUCTIONS": "AVX512",
            "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
            "ATEN_CPU_CAPABILITY": "avx512",
            "NUMBA_CPU_NAME": "skylake-avx512",
            "NUMBA_CPU_FEATURES": "",
        },
    },
    "armv8": {
        "needs": ("ASIMD",),
        "keeps": ("NEON", "NEON_FP16", "NEON_VFPV4", "ASIMD"),
        "environment": {
            "OPENBLAS_CORETYPE": "ARMV8",
            "ATEN_CPU_CAPABILITY": "default",
            "NUMBA_CPU_NAME": "generic",
        },
    },
}

# Folders in which nothing is computed are left out.
TESTS = (
    "tests/common",
    "--ignore=tests/common/registry",
    "--ignore=tests/common/workflow",
)


def main(arguments):
    features, dispatched = _features()
    names = [name for name in arguments if name in DISPATCHES]
    selection = [argument for argument in arguments if argument not in DISPATCHES] or TESTS
    possible = [n for n, d in DISPATCHES.items() if features.issuperset(d["needs"])]
    for name in names:
        if name not in possible:
            print(f"{name}: this processor lacks {_lacking(name, features)}.", file=sys.stderr)
            return 1
    if not possible:
        print("No dispatch of tests/dispatch.py is for this kind of processor.")
        return 0
    # What this processor would take by itself is what `make test` runs with.
    failed = False
    for name in names or possible:
        environment = _environment(name, dispatched)
        try:
            print(f"{name}: {_kernels(name, environment)}", flush=True)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        start = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "--disable-warnings", "--tb=short"]
        command += ["-p", "no:cacheprovider", "-n", "2", "-m", "not workflow", *selection]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        lines = done.stdout.strip().splitlines() or ["pytest printed nothing"]
        if done.returncode:
            print(done.stdout)
        print(f"{name}: {lines[-1].strip('= ')}, {time.monotonic() - start:.0f} s", flush=True)
        failed |= done.returncode != 0
    for name in [] if names else sorted(set(DISPATCHES) - set(possible)):
        print(f"{name}: left out, this processor lacks {_lacking(name, features)}")
    return int(failed)


def _features():
    """Features of this processor by numpy's names, and those that numpy has own kernels for."""
    import numpy._core._multiarray_umath as numpy_core

    features = {name for name, found in numpy_core.__cpu_features__.items() if found}
    return features, [name for name in numpy_core.__cpu_dispatch__ if name in features]


def _lacking(name, features):
    return " and ".join(sorted(set(DISPATCHES[name]["needs"]) - features))


def _environment(name, dispatched):
    """Environment in which every library takes the kernels of a dispatch."""
    # One thread each, as in a job: how sums are split among threads is another matter.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    off = [feature for feature in dispatched if feature not in DISPATCHES[name]["keeps"]]
    numpy = {"NPY_DISABLE_CPU_FEATURES": " ".join(off)} if off else {}
    return {**os.environ, **threads, **numpy, **DISPATCHES[name]["environment"]}


def _kernels(name, environment):
    """The kernels that are really in use, in one line; an error if OpenBLAS takes others."""
    verbose = {**environment, "MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--kernels"],
        cwd=ROOT, env=verbose, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = dict(re.findall(r"^kernels of (\w+): (.*)$", done.stdout, re.M))
    # These two tell it themselves, when they first compute.
    mkl = re.search(r"^MKL_VERBOSE oneMKL.*\((?:Intel\(R\) )?([^()]+)\) enabled", done.stdout, re.M)
    onednn = re.search(r"^onednn_verbose.*cpu,isa:(.*)$", done.stdout, re.M)
    found |= {"MKL": mkl[1]} if mkl else {}
    found |= {"oneDNN": onednn[1]} if onednn else {}
    wanted = environment["OPENBLAS_CORETYPE"]
    taken = found.get("OpenBLAS", wanted)
    if taken.casefold() != wanted.casefold():
        raise RuntimeError(f"{name}: OpenBLAS takes {taken} in spite of OPENBLAS_CORETYPE={wanted}")
    return ", ".join(f"{library} {kernels}" for library, kernels in found.items())


def _print_kernels():
    import numpy as np
    import scipy.linalg
    import threadpoolctl
    import torch
    from numba.core import config, registry

    scipy.linalg.inv(np.eye(2))  # loads scipy's own OpenBLAS
    pools = threadpoolctl.threadpool_info()
    blas = {pool["architecture"] for pool in pools if pool["internal_api"] == "openblas"}
    codegen = registry.cpu_target.target_context.codegen()
    _, dispatched = _features()
    found = {
        "OpenBLAS": " and ".join(sorted(blas)),
        "ATen": torch.backends.cpu.get_cpu_capability(),
        "numba": codegen.magic_tuple()[1] or config.CPU_NAME,
        "numpy": (dispatched or ["baseline"])[-1],
    }
    for library, kernels in found.items():
        if kernels:
            print(f"kernels of {library}: {kernels}")
    torch.ones(40, 40) @ torch.ones(40, 40)
    torch.nn.functional.conv1d(torch.ones(1, 8, 64), torch.ones(8, 8, 9))


if __name__ == "__main__":
    if sys.argv[1:] == ["--kernels"]:
        _print_kernels()
    else:
        sys.exit(main(sys.argv[1:]))
