"""Molecules: reading, densities in closed form, and invariance of their features."""

import zipfile

import numpy as np
import pytest

from common.scattering import HarmonicScattering3D
from common.scattering.molecules import (
    Molecule,
    align,
    densities,
    fits,
    molecule_features,
    position_scale,
    read_g2,
    read_qm7,
    valence_charges,
)

METHANE = """5
charge = 0
 C 1.041682 -0.056200 -0.071481
 H 2.130894 -0.056202 -0.071496
 H 0.678598 0.174941 -1.072044
 H 0.678613 0.694746 0.628980
 H 0.678614 -1.038285 0.228641"""
ATOMS = '''"""Text before."""
from nowhere import nothing
names = ["H", "O"]
data = {
    "H": {"symbols": "H", "enthalpy": 51.63, "thermal correction": 1.01,
          "positions": [[0.0, 0.0, 0.0]]},
    "O": {"symbols": "O", "enthalpy": 58.99, "thermal correction": 1.04,
          "positions": [[0.0, 0.0, 0.0]]},
}
raise RuntimeError("the file is not run")
'''
WATER = """data = {
    "water": {"symbols": "OHH", "enthalpy": -57.8, "thermal correction": 2.372, "ZPE": 13.2179,
              "positions": [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]},
}
"""
GRID = {"sigma": 1.5, "shape": (36, 32, 28)}


@pytest.fixture(scope="module")
def water():
    positions = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]
    return Molecule("water", np.array([8, 1, 1]), np.array(positions), -232.6)


@pytest.fixture(scope="module")
def crooked():
    """A molecule without symmetry."""
    positions = [[0, 0, 0], [1.4, 0.1, 0], [2.0, 1.2, 0.3], [-0.7, 0.6, -0.6]]
    return Molecule("crooked", np.array([6, 16, 7, 1]), np.array(positions), 0.0)


def archive(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, text in files.items():
            out.writestr(name, text)
    return path


def test_qm7_is_read_by_name_whatever_the_order(tmp_path):
    hydrogen = "2\n\n H 0 0 0\n H 0 0 0.74 0.1"
    path = archive(
        tmp_path / "a.zip",
        {
            "qml-1/tests/qm7/0010.xyz": hydrogen,
            "qml-1/tests/data/hof_qm7.txt": "0010.xyz -109.5 -110\n0001.xyz -417.031 -431.787\n",
            "qml-1/tests/qm7/0001.xyz": METHANE,
            "qml-1/README.md": "left out",
        },
    )
    methane, h2 = read_qm7(path)
    assert (methane.name, methane.energy, h2.name, h2.energy) == ("0001", -417.031, "0010", -109.5)
    assert methane.charges.tolist() == [6, 1, 1, 1, 1]
    distances = np.linalg.norm(methane.positions[1:] - methane.positions[0], axis=1)
    np.testing.assert_allclose(distances, 1.09, atol=2e-3)  # the bond of C and H, in ångströms
    np.testing.assert_array_equal(h2.positions, [[0, 0, 0], [0, 0, 0.74]])


def test_qm7_errors(tmp_path):
    names = "tests/qm7/0001.xyz", "tests/data/hof_qm7.txt"
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(ValueError, match=r"text is no zip archive of qmlcode/qml"):
        read_qm7(tmp_path / "text")
    for name, files, message in [
        ("a", {"README": ""}, r"a.zip must hold .*; found 0 and 0"),
        ("b", {names[0]: METHANE}, r"b.zip must hold .*; found 0 and 1"),
        ("c", {names[1]: "0001.xyz -417 -431"}, r"c.zip must hold .*; found 1 and 0"),
        ("d", {names[0]: METHANE, names[1]: "2.xyz -1 -1"}, r"2 molecules .*the first 0001.xyz"),
        ("e", {names[0]: "5\n\n C 0 0 0", names[1]: "0001.xyz 1 2"}, r"0001.xyz is no table"),
        ("f", {names[0]: "1\n\n Xe 0 0 0", names[1]: "0001.xyz 1 2"}, r"begins with '1\\n\\n Xe 0"),
        ("g", {names[0]: "1\n\n C 0 0", names[1]: "0001.xyz 1 2"}, r"0001.xyz is no table"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_qm7(archive(tmp_path / f"{name}.zip", files))


def test_g2_is_read_as_text_with_energies_at_the_bottom_of_the_potential(tmp_path):
    (tmp_path / "g2_1.py").write_text(ATOMS)
    (tmp_path / "g2_2.py").write_text(WATER)
    for order in (("g2_1.py", "g2_2.py"), ("g2_2.py", "g2_1.py")):
        (found,) = read_g2(*(tmp_path / name for name in order))
        assert found.name == "water" and found.charges.tolist() == [8, 1, 1]
        # Enthalpy at 298 K less that at 0 K, less zero-point energy: the molecule without
        # vibrations, against its atoms at 0 K.
        atoms = 58.99 - 1.04 + 2 * (51.63 - 1.01)
        assert found.energy == pytest.approx(-57.8 - 2.372 - 13.2179 - atoms, rel=1e-12)
        assert found.positions.shape == (3, 3)
    with pytest.raises(ValueError, match=r"water contains O, which no file describes"):
        read_g2(tmp_path / "g2_2.py")
    for text in ("data = 3", "data = {'H': 1}", "nothing = {}", "data = {", "data = open('x')"):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(ValueError, match=r"bad.py assigns no table of molecules to data"):
            read_g2(tmp_path / "bad.py")


def test_valence_charges_are_those_of_the_periodic_table():
    first = [1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]
    assert valence_charges(np.arange(1, 19)).tolist() == first
    for bad in (0, 19):
        with pytest.raises(ValueError, match=rf"from 1 to 18 \(argon\), got {bad}"):
            valence_charges([6, bad])


def test_aligned_positions_have_diagonal_moments_in_falling_order(crooked):
    aligned = align(crooked.positions)
    # Positions of some Å: rounding of their products with a rotation.
    np.testing.assert_allclose(aligned.mean(axis=0), 0, atol=1e-14)
    moments = aligned.T @ aligned
    np.testing.assert_allclose(moments, np.diag(np.diag(moments)), atol=1e-14)
    assert np.all(np.diff(np.diag(moments)) <= 0)
    # Distances stay.
    for a, b in ((0, 1), (1, 3)):
        before, after = (p[a] - p[b] for p in (crooked.positions, aligned))
        assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before))


def test_closest_atoms_overlap_as_asked(water, crooked):
    scale = position_scale([crooked, water], sigma=2.0, overlap=0.01)
    closest = np.linalg.norm(water.positions[0] - water.positions[1])
    # Halfway between them, each Gaussian is at a hundredth of its maximum.
    assert np.exp(-((scale * closest / 2) ** 2) / (2 * 2.0**2)) == pytest.approx(0.01)
    single = Molecule("single", np.array([6]), np.zeros((1, 3)), 0.0)
    assert position_scale([single, water, crooked], sigma=4.0, overlap=0.01) == 2 * scale
    with pytest.raises(ValueError, match=r"overlap must be above 0 and below 1, got 1"):
        position_scale([water], sigma=2.0, overlap=1)
    with pytest.raises(ValueError, match=r"none of 1 molecules has two atoms"):
        position_scale([single], sigma=2.0)
    with pytest.raises(ValueError, match=r"two atoms of molecule same are in the same place"):
        position_scale([Molecule("same", np.array([1, 1]), np.zeros((2, 3)), 0.0)], sigma=2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": -1.5}, r"sigma must be above 0 samples, got -1.5 samples"),
        ({"sigma": 0}, r"sigma must be above 0 samples, got 0 samples"),
        ({"sigma": np.inf}, r"sigma must be above 0 samples, got inf"),
        ({"scale": np.nan}, r"scale must be above 0 samples per ångström, got nan"),
        ({"scale": -3.0}, r"scale must be above 0 samples per ångström, got -3.0"),
    ],
)
def test_widths_and_scales_are_positive(crooked, options, message):
    with pytest.raises(ValueError, match=message):
        densities(crooked, **{"scale": 3.0, **GRID, **options})
    S = HarmonicScattering3D(1, GRID["shape"], 1, quadrature="coarse")
    with pytest.raises(ValueError, match=message):
        molecule_features([crooked], S, **{"scale": 3.0, "sigma": 1.5, **options})


def test_molecules_are_checked(crooked):
    for sigma in (np.nan, 0.0, -2.0):
        with pytest.raises(ValueError, match=f"sigma must be above 0 samples, got {sigma}"):
            position_scale([crooked], sigma=sigma)
    lost = crooked.positions.copy()
    lost[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"positions of molecule crooked .* nan Å at index \(2, 1"):
        position_scale([crooked._replace(positions=lost)], sigma=2.0)
    with pytest.raises(ValueError, match=r"positions must be finite, got nan Å at index \(2, 1\)"):
        densities(crooked._replace(positions=lost), scale=3.0, **GRID)
    with pytest.raises(ValueError, match=r"three coordinates, got shape \(4, 2\)"):
        align(crooked.positions[:, :2])
    with pytest.raises(ValueError, match="charges has 3, positions has 4"):
        densities(crooked._replace(charges=crooked.charges[:3]), scale=3.0, **GRID)
    for bad in (1.5, np.nan):
        with pytest.raises(ValueError, match=rf"charges must be whole numbers, got \[6.0, {bad}\]"):
            valence_charges([6, bad])
    with pytest.raises(ValueError, match="there is no molecule"):
        molecule_features([], HarmonicScattering3D(1, (8, 8, 8), 1), scale=3.0, sigma=1.5)


def test_densities_sum_to_the_charges(crooked):
    found = densities(crooked, scale=3.0, **GRID)
    assert found.shape == (3, *GRID["shape"])
    # The sum of a Gaussian over integers is 1 + 2 exp(-2 (pi sigma)^2) = 1 + 1e-19, and less by
    # what lies outside, at five widths or more.
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), [30, 16, 14], rtol=1e-5)
    np.testing.assert_allclose(found[0] - found[1], found[2], atol=1e-14)  # values up to 1
    assert found.min() >= 0


def test_density_is_a_sum_of_gaussians_at_the_atoms(crooked):
    found = densities(crooked, scale=3.0, **GRID)
    positions = 3.0 * align(crooked.positions)
    for index in [(0, 0, 0), (3, 1, 0), (-4, 2, -1), (17, -15, 13)]:
        r2 = ((np.array(index) - positions) ** 2).sum(axis=1)
        expected = (crooked.charges * np.exp(-r2 / 4.5)).sum() / ((2 * np.pi) ** 1.5 * 1.5**3)
        assert found[0][index] == pytest.approx(expected, rel=1e-12)


def test_a_molecule_that_does_not_fit_is_named(crooked):
    with pytest.raises(ValueError, match=r"crooked needs a grid of at least \(21, 15, 14\).*10\)"):
        densities(crooked, scale=3.0, sigma=1.5, shape=(10, 10, 10))
    assert fits(crooked, scale=3.0, sigma=1.5, shape=(21, 15, 14))
    assert not fits(crooked, scale=3.0, sigma=1.5, shape=(21, 15, 13))
    S = HarmonicScattering3D(1, (10, 10, 10), 1)
    with pytest.raises(ValueError, match=r"molecule crooked needs a grid of at least"):
        molecule_features([crooked], S, scale=3.0, sigma=1.5)


@pytest.mark.parametrize("quadrature", ["full", "coarse"])
def test_features_are_integrals_of_the_densities_and_their_scattering(crooked, water, quadrature):
    powers = (0.5, 1, 2, 3)
    options = {"sigma_0": 1.5, "integral_powers": powers}
    S = HarmonicScattering3D(1, GRID["shape"], 2, **options, quadrature=quadrature)
    found = molecule_features([water, crooked], S, scale=3.0, sigma=1.5)
    assert found.shape == (2, 3 * 4 + 3 * 3 * 3 * 4) and found.dtype == np.float64
    full = HarmonicScattering3D(1, GRID["shape"], 2, **options)
    for row, molecule in zip(found, (water, crooked), strict=True):
        density = densities(molecule, scale=3.0, **GRID)
        zeroth = np.stack([(density**q).sum(axis=(1, 2, 3)) for q in powers], axis=1)
        # The square root of a density beyond nine widths, below 2e-9.
        np.testing.assert_allclose(row[:12], zeroth.ravel(), rtol=1e-7)
        # With a coarse grid: cusps of moduli, as many as there are zeros.
        tolerance = 1e-10 if quadrature == "full" else 0.01
        np.testing.assert_allclose(row[12:], full(density).ravel(), rtol=tolerance)
        if quadrature == "coarse":
            # Squares and order 0 have no cusps, in the first order.
            first = row[12:].reshape(3, 3, 3, 4)[:, :2], full(density)[:, :2]
            np.testing.assert_allclose(first[0][..., 2], first[1][..., 2], rtol=1e-8)
            np.testing.assert_allclose(first[0][:, :, 0], first[1][:, :, 0], rtol=1e-4)


def test_features_of_a_lopsided_molecule():
    # Its mean is far from the middle of the box around it.
    positions = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0], [15, 0.5, 0.3]])
    molecule = Molecule("lopsided", np.array([1, 6, 7, 8, 6, 16]), positions, 0.0)
    shape = (96, 24, 24)
    found, expected = (
        molecule_features(
            [molecule],
            HarmonicScattering3D(1, shape, 1, 1.5, integral_powers=(2,), quadrature=quadrature),
            scale=3.0,
            sigma=1.5,
        )
        for quadrature in ("coarse", "full")
    )
    # Squares of first order have no cusps; those of second order are squares of what has cusps.
    first, second = (part.reshape(3, 3, 2)[:, :2] for part in (found[0, 3:], expected[0, 3:]))
    np.testing.assert_allclose(first, second, rtol=1e-8)
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_features_in_single_precision_are_close(water):
    S = HarmonicScattering3D(1, GRID["shape"], 2, 1.5, quadrature="coarse")
    double, single = (
        molecule_features([water], S, scale=3.0, sigma=1.5, dtype=dtype)
        for dtype in (np.float64, np.float32)
    )
    # The square root of rounding errors of 1e-7, in the empty part of the volume.
    np.testing.assert_allclose(single, double, rtol=0.03)
    assert not np.array_equal(single[:, :12], double[:, :12])
    assert not np.array_equal(single[:, 12:], double[:, 12:])


def test_features_do_not_change_when_the_molecule_moves_or_turns_or_its_atoms_are_permuted(crooked):
    S = HarmonicScattering3D(1, GRID["shape"], 3, 1.5, quadrature="coarse")
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    order = rng.permutation(4)
    moved = crooked._replace(
        charges=crooked.charges[order], positions=crooked.positions[order] @ turn + [1, 2, 3]
    )
    before, after = molecule_features([crooked, moved], S, scale=3.0, sigma=1.5)
    # Alignment undoes the motion, up to reflections: then points of the grid are others, at cusps.
    np.testing.assert_allclose(after, before, rtol=2e-3)
    # Another molecule is another matter.
    other = crooked._replace(charges=crooked.charges[::-1])
    assert abs(molecule_features([other], S, scale=3.0, sigma=1.5) / before - 1).max() > 0.1
