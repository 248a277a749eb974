"""Dictionaries of the patches of an image, to compare convolutional ones with."""

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning

from common import validation
from common.dictionary._checks import flag, pair, squarable

__all__ = ["learn_on_patches"]


def learn_on_patches(
    image, *, n_atoms, shape, alpha=1.0, n_patches=5000, n_iter=20, nonnegative=True, rng
):
    """Online dictionary learning, in which every patch is a sample of its own.

    A pattern is a patch of its own at every shift, so atoms have to tell shifts apart, which
    convolutional ones need not. Patches are scaled to a mean square of 1.

    Parameters
    ----------
    image : array_like, shape (n_rows, n_columns)
    n_atoms : int
    shape : tuple of int
        Rows and columns of a patch.
    alpha : float, default=1
        Penalty of the coefficients.
    n_patches : int, default=5000
        So many are drawn, at most all.
    n_iter : int, default=20
        Passes through the patches.
    nonnegative : bool, default=True
        Whether coefficients may not be negative.
    rng : numpy.random.Generator

    Returns
    -------
    D : ndarray, shape (n_atoms, 1, n_rows, n_columns)
        Of unit norm, but for atoms that are 0.

    Raises
    ------
    TypeError, ValueError
        If the image is none, all patches that are drawn of it are 0, a patch does not fit, a number
        is out of range, or ``rng`` is no generator.

    References
    ----------
    .. [1] J. Mairal, F. Bach, J. Ponce, G. Sapiro, "Online dictionary learning for sparse coding",
       ICML 2009.
    """
    image = validation.array(image, "image", ndim=2).astype(float)
    if not image.any():
        raise ValueError("image is 0 throughout: there is nothing to learn.")
    squarable(image, "image")
    h, w = pair(shape, "shape", at_most=image.shape)
    nonnegative = flag(nonnegative, "nonnegative")
    rng = validation.generator(rng)
    patches = np.lib.stride_tricks.sliding_window_view(image, (h, w)).reshape(-1, h * w)
    n_patches = min(validation.count(n_patches, "n_patches"), len(patches))
    patches = patches[rng.choice(len(patches), n_patches, replace=False)]
    if not patches.any():
        raise ValueError(
            f"all n_patches={n_patches} patches that were drawn are 0: there is nothing to learn. "
            "Draw more."
        )
    learner = MiniBatchDictionaryLearning(
        validation.count(n_atoms, "n_atoms"),
        alpha=validation.number(alpha, "alpha", above=0),
        max_iter=validation.count(n_iter, "n_iter"),
        batch_size=256,
        fit_algorithm="cd",
        positive_code=nonnegative,
        transform_algorithm="lasso_cd",
        tol=0,
        max_no_improvement=None,
        random_state=int(rng.integers(2**31)),
    )
    D = learner.fit(patches / np.sqrt(np.mean(patches**2))).components_.reshape(-1, 1, h, w)
    norms = np.sqrt((D**2).sum(axis=(1, 2, 3), keepdims=True))
    return np.divide(D, norms, out=np.zeros(D.shape), where=norms > 0)
