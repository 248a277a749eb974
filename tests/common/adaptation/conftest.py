import numpy as np
import pytest

from common import files, registry


def registered(name):
    file = files.resolve(registry.path(name))
    if not file.is_file():
        pytest.skip(f"{name} is not here: python -m common.registry fetch {name}")
    return file


def domains(pair):
    return pair.sample_domain > 0, pair.sample_domain < 0


def check_form(pair, *, n_source, n_target, n_features, n_classes=2):
    assert pair.X.shape == (n_source + n_target, n_features)
    assert np.isfinite(pair.X).all()
    assert pair.sample_domain.tolist() == [1] * n_source + [-2] * n_target
    assert len(pair.classes) == n_classes
    for part in domains(pair):
        assert set(pair.y[part].tolist()) == set(range(n_classes))
