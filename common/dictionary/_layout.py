"""Windows of images as recordings of one row each, so that solvers need to know of recordings only.

The rows of a window of H × W pixels follow one another. An atom of h × w pixels is then one of
(h - 1) W + w samples, 0 in the W - w samples between two of its rows, and may start where it would
not run over the end of a row. A recording is an image of one row.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d

__all__ = ["Layout"]


class Layout:
    """Where the pixels of atoms and windows are.

    Parameters
    ----------
    atom_shape, window_shape : tuple of int
        Rows and columns; of a recording, 1 and samples.

    Attributes
    ----------
    reach : int
        Samples of an atom that is spread out.
    middle : int
        Sample of its middle.
    valid : ndarray of bool, shape (n_valid,)
        Where an atom may start in a window.
    """

    def __init__(self, atom_shape, window_shape):
        self.atom_shape, self.window_shape = tuple(atom_shape), tuple(window_shape)
        (n_rows, n_columns), width = self.atom_shape, self.window_shape[1]
        self.reach = (n_rows - 1) * width + n_columns
        self.middle = n_rows // 2 * width + n_columns // 2
        starts = np.arange(self.window_shape[0] * width - self.reach + 1)
        self.valid = starts % width <= width - n_columns

    def spread(self, D):
        """Atoms with gaps between their rows.

        Parameters
        ----------
        D : ndarray, shape (n_atoms, n_channels, n_rows * n_columns)

        Returns
        -------
        D : ndarray, shape (n_atoms, n_channels, reach)
        """
        (n_rows, n_columns), width = self.atom_shape, self.window_shape[1]
        if n_rows == 1:
            return D
        rows = np.zeros((*D.shape[:2], n_rows, width))
        rows[..., :n_columns] = D.reshape(*D.shape[:2], n_rows, n_columns)
        return np.ascontiguousarray(rows.reshape(*D.shape[:2], -1)[:, :, : self.reach])

    def gathered(self, D):
        """Atoms without the gaps, whatever stands there.

        Parameters
        ----------
        D : ndarray, shape (n_atoms, n_channels, reach)

        Returns
        -------
        D : ndarray, shape (n_atoms, n_channels, n_rows * n_columns)
        """
        (n_rows, n_columns), width = self.atom_shape, self.window_shape[1]
        if n_rows == 1:
            return D
        rows = np.zeros((*D.shape[:2], n_rows * width))
        rows[..., : self.reach] = D
        rows = rows.reshape(*D.shape[:2], n_rows, width)[..., :n_columns]
        return np.ascontiguousarray(rows.reshape(*D.shape[:2], -1))

    def patch_means(self, density):
        """Means over a patch as large as an atom, around each pixel.

        Parameters
        ----------
        density : ndarray, shape (n, pixels)
            Of windows.

        Returns
        -------
        means : ndarray, shape (n, pixels)
        """
        means = density.reshape(len(density), *self.window_shape)
        for axis, size in enumerate(self.atom_shape, start=1):
            if size > 1:
                ones = np.ones(means.shape[axis])
                share = uniform_filter1d(
                    ones, size, mode="constant"
                )  # at the ends, those there are
                means = uniform_filter1d(means, size, axis=axis, mode="constant")
                means = means / np.expand_dims(share, [i for i in range(3) if i != axis])
        return means.reshape(density.shape)
