"""Seeds depend on the names of a unit of work and on nothing else."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import files, seeds

values = st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
units = st.dictionaries(st.sampled_from(["subject", "seed", "fold", "x"]), values)


@settings(deadline=None)
@given(unit=units, data=st.data())
def test_order_of_the_names_does_not_matter(unit, data):
    shuffled = dict(data.draw(st.permutations(list(unit.items()))))
    a, b = seeds.sequence("dance", "train", **unit), seeds.sequence("dance", "train", **shuffled)
    assert a.entropy == b.entropy


def test_units_that_differ_anywhere_have_different_seeds():
    entropies = [
        seeds.sequence(paper, step, **unit).entropy
        for paper, step in [("dance", "train"), ("dance", "simulate"), ("moabb", "train")]
        for unit in [
            {},
            {"seed": 1},
            {"seed": 2},
            {"seed": "1"},
            {"seed": 1.0},
            {"fold": 1},
            {"seed": 1, "fold": 2},
            {"seed": 2, "fold": 1},
            {"seed": "1", "fold": 2},
            {"subject": "a, b"},
            {"subject": "a', 'b"},
        ]
    ]
    assert len(set(entropies)) == len(entropies) == 33


def test_numbers_from_a_table_are_those_of_python():
    for numpys, pythons in [(np.int64(3), 3), (np.float64(0.5), 0.5), (np.str_("a"), "a")]:
        a, b = (
            seeds.sequence("dance", "train", x=numpys),
            seeds.sequence("dance", "train", x=pythons),
        )
        assert a.entropy == b.entropy


def test_streams_of_neighbouring_units_are_unrelated():
    # 20 streams of 2000 normal numbers: every correlation within five standard errors of 0.
    X = np.stack([seeds.generator("dance", "x", seed=i).standard_normal(2000) for i in range(20)])
    correlation = np.corrcoef(X)[np.triu_indices(20, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


def test_generators_and_torch_seeds_are_reproducible():
    unit = {"subject": "01", "seed": 0}
    a, b = (seeds.generator("dance", "train", **unit).random(3) for _ in range(2))
    assert a.tolist() == b.tolist()
    assert seeds.torch_seed("dance", "train", **unit) == seeds.torch_seed("dance", "train", **unit)


def test_torch_seeds_fill_the_range_that_torch_takes():
    found = np.array([seeds.torch_seed("dance", "train", seed=i) for i in range(200)], dtype=float)
    assert found.min() >= 0 and found.max() < 2**63
    # Uniform: the mean of 200 within five standard errors of the middle.
    assert found.mean() / 2**63 == pytest.approx(0.5, abs=5 / np.sqrt(12 * 200))


def test_seeds_never_change():
    # Made without the module: the first 16 bytes, read as a big-endian number, of
    #   hashlib.sha256(b"('dance', 'train', ('dataset', 'simulated'), ('fold', 0), ('seed', 1))")
    # are the entropy; numpy.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] // 2 is
    # torch's seed. Another value here would change every result of the repository.
    unit = {"dataset": "simulated", "fold": 0, "seed": 1}
    assert (
        seeds.sequence("dance", "train", **unit).entropy == 131827653537280737861158043600228035042
    )
    assert seeds.torch_seed("dance", "train", **unit) == 43813572751324542


def test_seeds_do_not_depend_on_the_process():
    code = "from common import seeds; print(seeds.torch_seed('dance', 'x', subject='01', fold=2))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=files.ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert found == {f"{seeds.torch_seed('dance', 'x', subject='01', fold=2)}\n"}


@pytest.mark.parametrize(
    "value", [None, ("a", 1), {"a"}, object()], ids=lambda value: type(value).__name__
)
def test_a_value_without_a_stable_name_is_an_error(value):
    with pytest.raises(
        TypeError, match=r"^subject=.* is a .*; name a unit of work by a str, an int"
    ):
        seeds.generator("dance", "train", subject=value)


def test_every_pair_of_positional_names_counts():
    found = {seeds.sequence(*pair).entropy for pair in itertools.permutations("abc", 2)}
    assert len(found) == 6
