r"""Molecules as sums of Gaussians, and their solid harmonic scattering.

A molecule is a density with a Gaussian at each atom, weighted by the atom's charge,

.. math:: \rho(u) = \sum_a \frac{z_a}{(2 \pi)^{3/2} \sigma^3}\, e^{-|u - r_a|^2 / 2 \sigma^2} .

Three densities have as weights the charges of the nuclei (full), the valence electrons, and their
difference (core). Positions are along the principal axes, and scaled so that Gaussians at the two
closest atoms of the whole set overlap by a given amount. Integrals of powers of the densities and
of their scattering moduli do not change when a molecule moves or turns, and a linear regression on
them predicts its energy [1]_.

A Gaussian is a product over axes, and so is its spectrum: densities and spectra are products of
small matrices, over atoms.

References
----------
.. [1] M. Eickenberg et al., "Solid harmonic wavelet scattering for predictions of molecule
   properties", J. Chem. Phys. 148, 2018, arXiv:1805.00571.
"""

import ast
import re
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.files import check_content, damaged
from common.scattering.integrals_3d import compute_integrals

__all__ = [
    "Molecule",
    "align",
    "densities",
    "fits",
    "molecule_features",
    "position_scale",
    "read_g2",
    "read_qm7",
    "valence_charges",
]

_ROWS = (("H", "He"), ("Li", "Be", "B", "C", "N", "O", "F", "Ne"))
_ROWS += (("Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar"),)
_SYMBOLS = [symbol for row in _ROWS for symbol in row]
_NUMBERS = {symbol: number for number, symbol in enumerate(_SYMBOLS, start=1)}
# Distance from the atoms, in widths of a Gaussian, up to which a density is summed. Its square root
# is neglected below exp(-9**2 / 4) = 2e-9 of its maximum.
_REACH = 9
# Distance that the atoms keep from the border of the grid, in widths: a Gaussian is 3e-4 there.
_MARGIN = 4


class Molecule(NamedTuple):
    """Atoms and energy of a molecule.

    Attributes
    ----------
    name : str
    charges : ndarray of int, shape (n_atoms,)
        Of the nuclei, in elementary charges.
    positions : ndarray, shape (n_atoms, 3)
        In ångströms.
    energy : float
        In kcal/mol; that of separated atoms is 0. See the function that read it.
    """

    name: str
    charges: np.ndarray
    positions: np.ndarray
    energy: float


def read_qm7(path):
    """Read QM7, organic molecules of up to seven atoms other than hydrogen.

    Parameters
    ----------
    path : path-like
        Zip archive of the repository qmlcode/qml, or of its files ``tests/qm7/*.xyz`` (symbols and
        positions in ångströms) and ``tests/data/hof_qm7.txt``. A line of the latter is the name of
        a file, the energy by density functional theory (PBE0), and one by tight binding, which is
        left out; both in kcal/mol.

    Returns
    -------
    molecules : list of Molecule
        By name. ``energy`` is minus the energy of atomisation.

    Raises
    ------
    ValueError
        If the archive lacks these files, one has no partner, or one cannot be read.
    """
    check_content(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no zip archive of qmlcode/qml.")
    try:
        with zipfile.ZipFile(path) as archive:
            texts = {
                name: archive.read(name).decode()
                for name in archive.namelist()
                if re.search(r"(^|/)tests/(qm7/\d+\.xyz|data/hof_qm7\.txt)$", name)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise damaged(path, f"is a damaged zip archive ({error})") from None
    table = [name for name in texts if name.endswith("hof_qm7.txt")]
    if not table or len(texts) == 1:
        raise ValueError(
            f"{path} must hold tests/data/hof_qm7.txt and tests/qm7/*.xyz; found {len(table)} and "
            f"{len(texts) - len(table)}."
        )
    rows = [line.split() for line in texts.pop(table[0]).splitlines()]
    energies = {row[0]: float(row[1]) for row in rows}
    files = {name.rsplit("/", 1)[1]: text for name, text in sorted(texts.items())}
    lonely = sorted(energies.keys() ^ files.keys())
    if lonely:
        raise ValueError(
            f"{len(lonely)} molecules of {path} are either without energy or without atoms, the "
            f"first {lonely[0]}. Is the archive complete?"
        )
    return [
        Molecule(name.removesuffix(".xyz"), *_read_xyz(name, text), energies[name])
        for name, text in files.items()
    ]


def read_g2(*paths):
    """Read the molecules of G2/97, with energies from experiments.

    Parameters
    ----------
    *paths : path-like
        Files ``g2_1.py`` and ``g2_2.py`` of ase 3.29.0, in either order; they are read as text. The
        second needs atoms of the first.

    Returns
    -------
    molecules : list of Molecule
        148 from both files, by name; the single atoms are left out. ``energy`` is minus the energy
        of atomisation without vibrations, at the bottom of the potential: from the enthalpies of
        formation measured at 298 K, with calculated zero-point energies and thermal corrections,
        and the enthalpies of the atoms at 0 K. Geometries are calculated (MP2).

    Raises
    ------
    ValueError
        If a file does not hold such data, or an atom's enthalpy is missing.
    """
    entries = {}
    for path in paths:
        entries |= _data_of_module(path)
    molecules = []
    for name, entry in sorted(entries.items()):
        symbols = re.findall("[A-Z][a-z]?", entry["symbols"])
        if len(symbols) == 1:
            continue
        atomisation = entry["ZPE"] + entry["thermal correction"] - entry["enthalpy"]
        for symbol in symbols:
            if symbol not in entries:
                raise ValueError(
                    f"{name} contains {symbol}, which no file describes. Read g2_1.py and g2_2.py "
                    "together."
                )
            atomisation += entries[symbol]["enthalpy"] - entries[symbol]["thermal correction"]
        molecules.append(
            Molecule(
                name,
                np.array([_NUMBERS[symbol] for symbol in symbols]),
                np.array(entry["positions"]),
                -atomisation,
            )
        )
    return molecules


def valence_charges(charges):
    """Number of valence electrons of neutral atoms.

    Parameters
    ----------
    charges : array_like of int
        Of the nuclei, 1 (hydrogen) to 18 (argon).

    Returns
    -------
    valence : ndarray of int, of the same shape

    Raises
    ------
    ValueError
        If an atom is heavier, or a charge is not a whole number.

    Examples
    --------
    >>> valence_charges([1, 6, 16])
    array([1, 4, 6])
    """
    given = np.asarray(charges)
    if not np.issubdtype(given.dtype, np.integer) and not np.array_equal(given, np.round(given)):
        raise ValueError(f"charges must be whole numbers, got {given.tolist()}.")
    charges = given.astype(int)
    bad = charges[(charges < 1) | (charges > 18)]
    if bad.size:
        raise ValueError(f"charges must be from 1 to 18 (argon), got {bad[0]}.")
    return charges - np.select([charges <= 2, charges <= 10], [0, 2], 10)


def align(positions):
    """Positions from their mean, along their principal axes, the longest first.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 3)

    Returns
    -------
    aligned : ndarray, shape (n_atoms, 3)

    Raises
    ------
    ValueError
        If a position is not finite, or there are not three coordinates.
    """
    positions = _positions(positions, "positions")
    centred = positions - positions.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1]


def position_scale(molecules, *, sigma, overlap=0.1):
    r"""Samples per ångström at which the two closest atoms overlap by a given amount.

    The product of two Gaussians of width :math:`\sigma` at a distance d is at most
    :math:`e^{-d^2 / 4 \sigma^2}` of the product of their maxima; the scale makes it
    :math:`overlap^2`, so :math:`d = \sigma \sqrt{-8 \log overlap}`: each is at ``overlap`` of its
    maximum halfway.

    Parameters
    ----------
    molecules : sequence of Molecule
        The whole set, which shares one scale.
    sigma : float
        Width of the Gaussians, in samples.
    overlap : float, default=0.1
        Between 0 and 1.

    Returns
    -------
    scale : float

    Raises
    ------
    ValueError
        If ``sigma`` or ``overlap`` is out of range, a position is not finite, no molecule has two
        atoms, or two atoms coincide.
    """
    sigma = validation.number(sigma, "sigma", above=0, unit="samples")
    overlap = validation.number(overlap, "overlap", above=0, below=1)
    distances = {}
    for molecule in molecules:
        positions = _positions(molecule.positions, f"positions of molecule {molecule.name}")
        upper = np.triu_indices(len(positions), 1)
        if len(upper[0]):
            between = positions[upper[0]] - positions[upper[1]]
            distances[molecule.name] = np.linalg.norm(between, axis=1).min()
    if not distances:
        raise ValueError(f"none of {len(molecules)} molecules has two atoms to scale by.")
    closest = min(distances, key=distances.get)
    if distances[closest] == 0:
        raise ValueError(f"two atoms of molecule {closest} are in the same place.")
    return float(sigma * np.sqrt(-8 * np.log(overlap)) / distances[closest])


def fits(molecule, *, scale, sigma, shape):
    """Whether a molecule, with room for its Gaussians, is within a grid.

    Parameters
    ----------
    molecule : Molecule
    scale : float
        Samples per ångström; see `position_scale`.
    sigma : float
        Width of the Gaussians, in samples.
    shape : tuple of int, (M, N, O)

    Returns
    -------
    fits : bool

    Raises
    ------
    ValueError
        If ``scale`` or ``sigma`` is not positive, or a position is not finite.
    """
    return bool((_placement(molecule, scale=scale, sigma=sigma)[1] <= shape).all())


def densities(molecule, *, scale, sigma, shape):
    """Full, valence and core densities of a molecule.

    Parameters
    ----------
    molecule : Molecule
    scale : float
        Samples per ångström; see `position_scale`.
    sigma : float
        Width of the Gaussians, in samples.
    shape : tuple of int, (M, N, O)

    Returns
    -------
    densities : ndarray, shape (3, M, N, O)
        The molecule's mean position is at sample [0, 0, 0], negative coordinates follow the
        positive ones, and the principal axes are those of the grid, the longest first. The sum
        over samples is the total charge, unless ``sigma`` is below about 0.6.

    Raises
    ------
    ValueError
        If the molecule does not fit in the grid, ``scale`` or ``sigma`` is not positive, or a
        position is not finite.
    """
    positions = _placed(molecule, scale=scale, sigma=sigma, shape=shape)
    axes = [np.fft.ifftshift(np.arange(n) - n // 2) for n in shape]
    return _product(_weights(molecule), _gaussians(positions, axes, sigma))


def molecule_features(molecules, transform, *, scale, sigma, dtype=np.float64):
    """Integrals of the densities of molecules and of their scattering moduli.

    Parameters
    ----------
    molecules : sequence of Molecule
    transform : HarmonicScattering3D
        With ``quadrature="full"``, its coefficients of `densities`. With ``"coarse"``, what its
        method `scatter_localised` makes of their spectra, many times faster.
    scale : float
        Samples per ångström; see `position_scale`.
    sigma : float
        Width of the Gaussians, in samples.
    dtype : numpy.float32 or numpy.float64, default=numpy.float64
        Precision of the scattering.

    Returns
    -------
    features : ndarray, shape (n_molecules, n_features)
        First the powers of the full, the valence and the core density; then, for each of these, the
        coefficients of the transform: paths, orders l, powers.

    Raises
    ------
    ValueError
        As `densities`, and if there is no molecule.
    """
    if not len(molecules):
        raise ValueError("there is no molecule to compute features of.")
    shape, rows = transform.shape, []
    precision = torch.float32 if np.dtype(dtype) == np.float32 else torch.float64
    for molecule in molecules:
        weights = _weights(molecule)
        positions = _placed(molecule, scale=scale, sigma=sigma, shape=shape)
        axes = [
            np.arange(n)[_near(np.arange(n) - n // 2, p, _REACH * sigma)] - n // 2
            for n, p in zip(shape, positions.T, strict=True)
        ]
        density = _product(weights, _gaussians(positions, axes, sigma))
        zeroth = compute_integrals(density.astype(dtype), transform.integral_powers)
        if transform.quadrature == "full":
            density = densities(molecule, scale=scale, sigma=sigma, shape=shape)
            others = transform(density.astype(dtype))
        else:
            middle = 0.5 * (positions.max(axis=0) + positions.min(axis=0))
            others = transform.scatter_localised(
                _spectrum_of(weights, positions - middle, sigma),
                np.ptp(positions, axis=0),
                smoothing=sigma,
                dtype=precision,
            ).numpy()
        rows.append(np.concatenate([zeroth.ravel(), others.ravel()]))
    return np.stack(rows)


def _positions(values, name):
    values = validation.array(values, name, ndim=2, unit="Å")
    if values.shape[1] != 3:
        raise ValueError(f"{name} must have three coordinates, got shape {values.shape}.")
    return values


def _weights(molecule):
    validation.same_length(charges=molecule.charges, positions=molecule.positions)
    valence = valence_charges(molecule.charges)
    return np.stack([molecule.charges, valence, molecule.charges - valence]).astype(float)


def _placement(molecule, *, scale, sigma):
    """Positions in samples, and the samples that are needed along each axis."""
    scale = validation.number(scale, "scale", above=0, unit="samples per ångström")
    sigma = validation.number(sigma, "sigma", above=0, unit="samples")
    positions = scale * align(molecule.positions)
    return positions, 2 * (np.abs(positions).max(axis=0) + _MARGIN * sigma)


def _placed(molecule, *, scale, sigma, shape):
    """Positions in samples."""
    positions, needed = _placement(molecule, scale=scale, sigma=sigma)
    if (needed > shape).any():
        raise ValueError(
            f"molecule {molecule.name} needs a grid of at least "
            f"{tuple(np.ceil(needed).astype(int).tolist())} samples, got shape {tuple(shape)}. "
            "Enlarge it, or reduce sigma and scale."
        )
    return positions


def _near(coordinate, centres, distance):
    return (coordinate >= centres.min() - distance) & (coordinate <= centres.max() + distance)


def _gaussians(positions, axes, sigma):
    """Factors of the atoms along each axis, each of shape (n_atoms, size)."""
    return [
        np.exp(-0.5 * ((axis - p[:, None]) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
        for axis, p in zip(axes, positions.T, strict=True)
    ]


def _spectrum_of(weights, positions, sigma):
    """Fourier transform of densities, as a function of frequencies along each axis."""

    def transform(*frequencies):
        factors = [
            np.exp(-0.5 * (sigma * k) ** 2 - 1j * k * p[:, None])
            for k, p in zip(frequencies, positions.T, strict=True)
        ]
        return _product(weights, factors)

    return transform


def _product(weights, factors):
    """Weighted sums over atoms of the products of their factors along each axis."""
    z, y, x = factors
    plane = (y[:, :, None] * x[:, None, :]).reshape(len(y), -1)
    left = (weights[:, :, None] * z).transpose(0, 2, 1).reshape(-1, len(z))
    return (left @ plane).reshape(len(weights), z.shape[1], y.shape[1], x.shape[1])


def _read_xyz(name, text):
    lines = text.splitlines()
    try:
        rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
        charges = np.array([_NUMBERS[row[0]] for row in rows])
        positions = np.array([[float(value) for value in row[1:4]] for row in rows])
        if positions.shape != (int(lines[0]), 3):
            raise ValueError
    except (IndexError, KeyError, ValueError):
        raise ValueError(
            f"{name} is no table of atoms: a number of atoms, a comment, and as many lines of a "
            f"symbol (up to Ar) and three coordinates; it begins with {text[:60]!r}."
        ) from None
    return charges, positions


def _data_of_module(path):
    """The dictionary that a Python file assigns to ``data``, without running the file."""
    check_content(path)
    try:
        for statement in ast.parse(Path(path).read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "data":
                data = ast.literal_eval(statement.value)
                if all("symbols" in entry for entry in data.values()):
                    return data
    except (SyntaxError, UnicodeDecodeError, ValueError, TypeError, AttributeError):
        pass
    raise ValueError(f"{path} assigns no table of molecules to data; expected ase/data/g2_1.py.")
