"""Checks of the input, batch axes, the filter cache and the modulus, on a trivial transform."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

import common.scattering
from common.scattering import base


class Weighted(base.Scattering):
    """Multiplies by weights; two paths, the second of them complex weights' moduli."""

    ndim = 2

    def __init__(self):
        super().__init__((2, 3))
        self._bank = {"real": np.arange(6.0).reshape(2, 3), "more": ([np.full(3, 1j)], 7, None)}
        self.made = 0

    def _bank_for(self, dtype):
        self.made += 1
        return self._bank

    def _transform(self, x):
        bank = self._filters(x)
        return torch.stack([x * bank["real"], base.modulus(x * bank["more"][0][0])], 1)


class Listed(Weighted):
    def _transform(self, x):
        return [{"coef": part, "j": i} for i, part in enumerate(super()._transform(x).unbind(1))]


class Keyed(Weighted):
    def _transform(self, x):
        return {(i,): part for i, part in enumerate(super()._transform(x).unbind(1))}


@pytest.fixture
def x():
    return torch.from_numpy(np.random.default_rng(0).standard_normal((4, 5, 2, 3)))


def test_batch_axes_are_kept(x):
    transform = Weighted()
    found = transform(x)
    assert found.shape == (4, 5, 2, 2, 3)
    np.testing.assert_array_equal(found[..., 0, :, :], x * torch.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(found[..., 1, :, :], x.abs(), rtol=1e-15)
    np.testing.assert_array_equal(transform(x[1, 2]), found[1, 2])
    np.testing.assert_array_equal(transform.scattering(x), found)


@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2)])
def test_an_empty_batch_gives_an_empty_result(batch):
    assert Weighted()(torch.zeros(*batch, 2, 3)).shape == (*batch, 2, 2, 3)
    assert Listed()(np.zeros((*batch, 2, 3)))[1]["coef"].shape == (*batch, 2, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_come_back_as_arrays_of_their_precision(x, dtype):
    array = x.numpy().astype(dtype)
    found = Weighted()(array)
    assert isinstance(found, np.ndarray) and found.dtype == dtype
    np.testing.assert_array_equal(found, Weighted()(torch.from_numpy(array)))


def test_any_memory_layout_is_accepted(x):
    expected = Weighted()(x.numpy())
    read_only = x.numpy().copy()
    read_only.flags.writeable = False
    for array in (read_only, x.numpy().astype(">f8"), x.numpy()[::-1][::-1], np.asfortranarray(x)):
        np.testing.assert_array_equal(Weighted()(array), expected)
    np.testing.assert_array_equal(Weighted()(x.mT.contiguous().mT), expected)


def test_lists_and_dictionaries_of_paths(x):
    expected = Weighted()(x)
    listed, keyed = Listed()(x), Keyed()(x.numpy())
    assert [path["j"] for path in listed] == [0, 1] and list(keyed) == [(0,), (1,)]
    for i in range(2):
        np.testing.assert_array_equal(listed[i]["coef"], expected[..., i, :, :])
        np.testing.assert_array_equal(keyed[i,], expected[..., i, :, :])
    assert isinstance(keyed[0,], np.ndarray)


def test_filters_are_made_once_for_each_precision(x):
    transform = Weighted()
    for _ in range(2):
        transform(x)
        transform(x.float())
    assert transform.made == 2
    bank = transform._filters(x.float())
    assert bank["real"].dtype == torch.float32 and bank["more"][0][0].dtype == torch.complex64
    assert transform._filters(x)["more"][0][0].dtype == torch.complex128
    assert bank["more"][1:] == (7, None)


def test_filters_made_in_inference_mode_serve_gradients_later(x):
    transform = Weighted()
    with torch.inference_mode():
        transform(x)
    y = x.clone().requires_grad_()
    transform(y).sum().backward()
    assert transform.made == 1 and y.grad.shape == x.shape


def test_nothing_to_train_or_to_save_and_copies_leave_the_cache_behind(x):
    transform = Weighted()
    expected = transform(x)
    assert not transform.state_dict() and not list(transform.parameters())
    for other in (copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))):
        assert not other._cache and len(transform._cache) == 1
        np.testing.assert_array_equal(other(x), expected)


@pytest.mark.parametrize("make", [torch.from_numpy, np.asarray], ids=["tensor", "array"])
@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((4, 3, 2)), ValueError, r"last 2 axes .* \(2, 3\), .* Weighted .* \(4, 3, 2\)"),
        (np.zeros(3), ValueError, r"\(2, 3\).* x has shape \(3,\)"),
        (np.zeros((2, 3), dtype=int), TypeError, r"float32 or float64, got int64.*x\.float\(\)"),
        (np.zeros((2, 3), dtype="float16"), TypeError, r"got float16"),
        (
            np.zeros((2, 3), dtype=complex),
            TypeError,
            r"complex \(complex128\).*x\.real and x\.imag",
        ),
    ],
)
def test_a_bad_input_is_refused(make, array, error, message):
    with pytest.raises(error, match=message):
        Weighted()(make(array))


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match="a torch tensor or a numpy array, got list"):
        Weighted()([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(x, value):
    x[2, 1, 1, 0] = x[3, 0, 0, 0] = value
    with pytest.raises(ValueError, match=rf"x\[2, 1, 1, 0\] is {value} \(2 of 120 values"):
        Weighted()(x)


def test_values_whose_sum_overflows_are_finite():
    # Weights up to 5 stay within 3.4e38, the sum of six values does not.
    x = torch.full((2, 3), 6e37)
    assert Weighted()(x).isfinite().all()


@pytest.mark.parametrize("kind", [Weighted, Listed, Keyed])
def test_coefficients_that_overflow_are_refused(kind):
    for make in (torch.from_numpy, np.asarray):
        with pytest.raises(
            ValueError, match=r"values up to 3e\+38, .*overflows in float32.*float64"
        ):
            kind()(make(np.full((2, 3), 3e38, np.float32)))
        with pytest.raises(ValueError, match=r"up to 1e\+308, .* in float64. .* largest value\.$"):
            kind()(make(np.full((2, 3), 1e308)))


def test_the_check_of_values_is_left_out_where_they_cannot_be_read(x):
    transform = Weighted()
    x[0, 0, 0, 0] = np.nan
    assert torch.func.vmap(transform)(x).isnan().sum() == 2


@pytest.mark.parametrize("numpy_is_fastest", [True, False])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_every_way_to_a_modulus_gives_it(monkeypatch, numpy_is_fastest, dtype):
    monkeypatch.setattr(base, "_NUMPY_IS_FASTEST", numpy_is_fastest)
    z = torch.randn(5, 8, dtype=dtype, generator=torch.Generator().manual_seed(0))
    # A few roundings: of two squares, their sum and the root.
    tolerance = 4 * torch.finfo(dtype).eps
    for values in (z, z[:, ::2], z.conj(), z[:0]):
        expected = (values.real.double() ** 2 + values.imag.double() ** 2).sqrt()
        np.testing.assert_allclose(base.modulus(values), expected, rtol=tolerance)


@pytest.mark.parametrize("numpy_is_fastest", [True, False])
def test_a_modulus_is_in_range_where_its_square_is_not(monkeypatch, numpy_is_fastest):
    # Single precision ends at 3e38 and 1e-38; fields in T, for example, are 1e-13 before filters.
    monkeypatch.setattr(base, "_NUMPY_IS_FASTEST", numpy_is_fastest)
    sizes = torch.tensor([1e-30, 1e-22, 1.0, 1e22, 1e37])
    np.testing.assert_allclose(base.modulus(sizes * (3 + 4j)), 5 * sizes, rtol=1e-6)


def test_the_gradient_of_the_modulus_is_zero_at_zero():
    z = torch.tensor([0, 3 + 4j], requires_grad=True)
    base.modulus(z).sum().backward()
    np.testing.assert_allclose(z.grad, [0, 0.6 + 0.8j], rtol=1e-6)


def test_gradients_are_recorded_where_asked_for(x):
    assert not base.records_gradient(x)
    x.requires_grad_()
    assert base.records_gradient(x)
    with torch.no_grad():
        assert not base.records_gradient(x)
    seen = []
    torch.func.vmap(lambda y: seen.append(base.records_gradient(y)) or y)(x.detach())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), x.detach())
        seen.append(base.records_gradient(dual))
    assert seen == [True, True]


def test_unknown_options_are_refused():
    base.refuse_options("S", {}, {})
    with pytest.raises(TypeError, match=r"S has no option 'backend'\. Leave it out\."):
        base.refuse_options("S", {"backend": "torch"}, {"backend": "Leave it out."})
    with pytest.raises(TypeError, match=r"S has no option 'j'\. See the parameters"):
        base.refuse_options("S", {"j": 3}, {"backend": "Leave it out."})


def test_the_package_names_its_transforms_without_importing_torch():
    code = "import sys, common.scattering as s; print('torch' in sys.modules, *s.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, *names = done.stdout.split()
    assert imported == "False" and "Scattering1D" in names
    assert set(names) <= set(dir(common.scattering))
    assert common.scattering.Scattering1D.__name__ == "Scattering1D"
    with pytest.raises(AttributeError, match="no attribute 'Scattering4D'; it has"):
        _ = common.scattering.Scattering4D
