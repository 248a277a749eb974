"""Simulated domains in the plane with one of four shifts between source and target."""

import numpy as np

from common.adaptation.pairs import merge

__all__ = ["PUBLISHED_NAMES", "SHIFTS", "simulated_shift"]

PUBLISHED_NAMES = {
    "covariate": "covariate_shift",
    "target": "target_shift",
    "conditional": "concept_drift",
    "subspace": "subspace",
}
"""Name of each shift in the published tables."""

SHIFTS = tuple(PUBLISHED_NAMES)

# skada's name, deviation of the noise, factor of the number of samples.
_SETTINGS = {
    "covariate": ("covariate_shift", 0.6, 1),
    "target": ("target_shift", 0.8, 1),
    "conditional": ("conditional_shift", 0.8, 1),
    "subspace": ("subspace", 0.4, 3),
}


def simulated_shift(shift, seed):
    """Two classes in the plane, in a source and a shifted target, as in SKADA-Bench [1]_.

    The benchmark's data are exactly those of ``skada.datasets.make_shifted_datasets(100 * m,
    100 * m, shift=name, noise=noise, label="binary", center_cov_shift=(-0.4, 3),
    random_state=seed)``, in single precision:

    =============== ======================= ======= === ====================================
    ``shift``       name in skada           noise   m   from source to target
    =============== ======================= ======= === ====================================
    ``covariate``   ``covariate_shift``     0.6     1   more samples near (-0.4, 3)
    ``target``      ``target_shift``        0.8     1   nine of ten samples are of one class
    ``conditional`` ``conditional_shift``   0.8     1   x becomes 0.7 x + 1
    ``subspace``    ``subspace``            0.4     3   x becomes -x
    =============== ======================= ======= === ====================================

    What is ``conditional_shift`` in skada was ``concept_drift`` in the version that the benchmark
    used, and is called so in the published tables (`PUBLISHED_NAMES`). There, value
    ``5 * seed + fold`` belongs to this seed, from 0 to 4, and to this fold of
    ``StratifiedDomainShuffleSplit(5, test_size=0.2, random_state=0)``.

    Parameters
    ----------
    shift : {"covariate", "target", "conditional", "subspace"}
    seed : int
        skada's ``random_state``; its generator is the legacy one of numpy.

    Returns
    -------
    pair : DomainPair
        ``X`` in single precision, shape (1600, 2), or (2400, 2) for the subspace shift; half of
        the rows are the source's. Domains "source" and "target", classes "0" and "1".

    Raises
    ------
    ValueError
        If the shift is unknown, or the seed is no integer from 0.

    References
    ----------
    .. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
       Realistic Validation", arXiv:2407.11676.

    Examples
    --------
    >>> simulated_shift("covariate", 0).X.shape
    (1600, 2)
    """
    from skada.datasets import make_shifted_datasets

    if shift not in _SETTINGS:
        raise ValueError(f"shift must be one of {', '.join(_SETTINGS)}, got {shift!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer from 0, got {seed!r}.")
    name, noise, multiple = _SETTINGS[shift]
    X, y, sample_domain = make_shifted_datasets(
        n_samples_source=100 * multiple,
        n_samples_target=100 * multiple,
        shift=name,
        noise=noise,
        label="binary",
        center_cov_shift=(-0.4, 3),
        random_state=int(seed),
    )
    X, source = X.astype(np.float32), sample_domain > 0
    parts = (X[source], y[source], X[~source], y[~source])
    return merge(*parts, "source", "target", ("0", "1"))
