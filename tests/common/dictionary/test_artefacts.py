import numpy as np
import pytest

from common.dictionary.artefacts import name_artefacts
from common.hawkes.simulation import simulate_renewal

END = 300.0


def make_atoms(seed):
    """A busy atom, one that misses a third of the heartbeats, one of blinks, and a rare one."""
    rng = np.random.default_rng(seed)
    beats = simulate_renewal(interval=0.9, deviation=0.05, end_time=END - 1, rng=rng)
    blinks = np.sort(rng.uniform(0, END - 1, 50))
    late = np.sort(beats[rng.random(len(beats)) < 0.67] + 0.04)
    busy = np.sort(rng.uniform(0, END, 1500))
    rare = np.sort(rng.uniform(0, END, 30))
    return [busy, late, np.sort(blinks + 0.02), rare], {"heartbeat": beats, "blink": blinks}


@pytest.mark.parametrize("seed", range(5))
def test_the_atom_that_comes_with_the_artefact_is_found_beside_a_busier_one(seed):
    times, artefacts = make_atoms(seed)
    assert name_artefacts(times, artefacts, END) == {"heartbeat": 1, "blink": 2}
    # The busy atom is near two thirds of all heartbeats by chance.
    near = np.abs(times[0] - artefacts["heartbeat"][:, None]).min(1) <= 0.1
    assert near.mean() > 0.5


def test_an_artefact_without_an_atom_is_left_out():
    times, artefacts = make_atoms(0)
    assert name_artefacts([times[0], times[3]], artefacts, END) == {}
    assert name_artefacts(times, {"blink": []}, END) == {}
    assert name_artefacts([], artefacts, END) == {}
    assert name_artefacts(times, artefacts, END, at_least=0.7) == {"blink": 2}


def test_score_by_hand():
    # Two of four artefacts are met: 0.5, less 1 - exp(-0.2 * 2 / 10) by chance.
    times, artefacts = [[1.05, 2.0]], {"a": [1.0, 2.09, 5.0, 7.0]}
    exact = 0.5 - (1 - np.exp(-0.04))
    assert name_artefacts(times, artefacts, 10.0, at_least=exact - 1e-12) == {"a": 0}
    assert name_artefacts(times, artefacts, 10.0, at_least=exact + 1e-12) == {}


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"end_time must be above 0 s, got 0 s"):
        name_artefacts([[1.0]], {"a": [1.0]}, 0)
    with pytest.raises(ValueError, match=r"tolerance must be above 0 s, got -1 s"):
        name_artefacts([[1.0]], {"a": [1.0]}, 10.0, tolerance=-1)
    with pytest.raises(ValueError, match=r"at_least must be at least 0 and at most 1, got 2"):
        name_artefacts([[1.0]], {"a": [1.0]}, 10.0, at_least=2)
    with pytest.raises(ValueError, match=r"times\[0\] must be sorted"):
        name_artefacts([[2.0, 1.0]], {"a": [1.0]}, 10.0)
    with pytest.raises(
        ValueError, match=r"artefacts\['a'\] spans \[11, 11\] s, outside the record"
    ):
        name_artefacts([[1.0]], {"a": [11.0]}, 10.0)
