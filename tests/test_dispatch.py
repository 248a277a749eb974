"""Dispatches imitate other processors, and say so where they cannot."""

import importlib.util
import os
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("dispatch", Path(__file__).with_name("dispatch.py"))
dispatch = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dispatch)

FEATURES, DISPATCHED = dispatch._features()
POSSIBLE = [n for n, d in dispatch.DISPATCHES.items() if FEATURES.issuperset(d["needs"])]


@pytest.mark.parametrize("name", POSSIBLE)
def test_every_library_takes_the_kernels_of_the_dispatch(name):
    environment = dispatch._environment(name, DISPATCHED)
    found = dispatch._kernels(name, environment)
    assert f"numba {environment['NUMBA_CPU_NAME']}" in found
    assert f"ATen {environment['ATEN_CPU_CAPABILITY'].upper()}" in found
    assert f"OpenBLAS {environment['OPENBLAS_CORETYPE']}" in found or "OpenBLAS" not in found
    off = environment.get("NPY_DISABLE_CPU_FEATURES", "").split()
    assert not [feature for feature in off if f"numpy {feature}" in found]
    assert set(off) <= set(DISPATCHED)


def test_kernels_that_are_not_taken_are_an_error(monkeypatch):
    name, line = POSSIBLE[0], "kernels of OpenBLAS: Z80\n"
    done = type("Done", (), {"stdout": line})
    monkeypatch.setattr(dispatch.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(RuntimeError, match=rf"{name}: OpenBLAS takes Z80 in spite of OPENBLAS_"):
        dispatch._kernels(name, {**os.environ, "OPENBLAS_CORETYPE": "Haswell"})


def test_what_the_processor_cannot_execute_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(dispatch, "_features", lambda: ({"SSE42"}, []))
    assert dispatch.main(["haswell"]) == 1
    assert "haswell: this processor lacks AVX2 and FMA3." in capsys.readouterr().err


@pytest.mark.parametrize(("status", "last"), [(0, "3 passed in 1s"), (1, "1 failed, 2 passed")])
def test_one_line_of_kernels_and_one_of_results(monkeypatch, capsys, status, last):
    called = []

    def run(command, env, **_):
        called.append((command, env))
        return type("Done", (), {"returncode": status, "stdout": f"FAILED a::b\n=== {last} ==="})

    monkeypatch.setattr(dispatch, "_features", lambda: ({"SSE42"}, []))
    monkeypatch.setattr(dispatch, "_kernels", lambda *_: "OpenBLAS Nehalem")
    monkeypatch.setattr(dispatch.subprocess, "run", run)
    assert dispatch.main(["tests/common/spd"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nehalem: OpenBLAS Nehalem"
    assert [line for line in lines if line.startswith(f"nehalem: {last}")]
    assert ("FAILED a::b" in lines) == (status != 0)
    assert "skylakex: left out, this processor lacks AVX512_SKX" in lines
    ((command, environment),) = called
    assert command[-1] == "tests/common/spd" and environment["OPENBLAS_CORETYPE"] == "Nehalem"
