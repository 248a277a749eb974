"""Random images to model: a turbulent vorticity, Gaussian fields, and a drawn cartoon."""

import numpy as np

from common import validation

__all__ = ["cartoon", "gaussian_field", "reduced", "vorticity"]


def vorticity(n_fields, size, *, rng, viscosity, time=8.0, dt_factor=0.1):
    r"""Two-dimensional turbulence that decays, from white noise.

    The vorticity w of a fluid on the torus :math:`[0, 2\pi)^2` follows
    :math:`\partial_t w = -u \cdot \nabla w + \nu \Delta w` with :math:`u = (-\partial_y s,
    \partial_x s)` and :math:`\Delta s = w`. It is computed in Fourier: diffusion exactly, the rest
    by a Runge-Kutta method of second order, high frequencies set to zero after each half of a step.

    Parameters
    ----------
    n_fields : int
    size : int
        Pixels along each axis, at least 8.
    rng : numpy.random.Generator
        Draws the start: white noise of standard deviation 10, smoothed over 0.8 pixels, without its
        mean.
    viscosity : float
        The coefficient, of unit 1 with time.
    time : float, default=8
        When it ends, 1e4 at most.
    dt_factor : float, default=0.1
        Length of a step, in pixels that the fastest particle moves along an axis, 1e-4 at least;
        0.3 is stable as a rule, 0.5 is not.

    Returns
    -------
    fields : ndarray, shape (n_fields, size, size)
        Vorticity at the end. Each field has its own steps, so that it does not depend on the
        others.

    Raises
    ------
    ValueError
        If a setting is out of range, or a field grows beyond bounds.
    TypeError
        If a count is no whole number, or ``rng`` no generator.
    """
    n_fields = validation.count(n_fields, "n_fields")
    size = validation.count(size, "size", at_least=8)
    validation.generator(rng)
    viscosity = validation.number(viscosity, "viscosity", at_least=0)
    time = validation.number(time, "time", at_least=0, at_most=1e4)
    dt_factor = validation.number(dt_factor, "dt_factor", at_least=1e-4)
    rows = np.fft.fftfreq(size, 1 / size)[:, None]
    columns = np.fft.rfftfreq(size, 1 / size)[None, :]
    square = rows**2 + columns**2
    kept = square <= square.max() / 3
    inverse = np.where(square > 0, 1 / np.where(square > 0, square, 1), 0)
    # The derivative at half the sampling rate has no sign; it is among those set to zero.
    rows, columns, inverse = rows * kept, columns * kept, inverse * kept

    def back(spectrum):
        return np.fft.irfft2(spectrum, s=(size, size))

    def transported(w):
        # s = -w / |k|^2; x along columns, y along rows.
        velocity = back(1j * rows * inverse * w), back(-1j * columns * inverse * w)
        slope = velocity[0] * back(1j * columns * w) + velocity[1] * back(1j * rows * w)
        return -np.fft.rfft2(slope), np.stack([np.abs(v).max(axis=(1, 2)) for v in velocity]).max(0)

    kept[0, 0] = False  # the mean neither moves nor decays: none
    w = np.fft.rfft2(10 * _smooth(rng.standard_normal((n_fields, size, size)), 0.8)) * kept
    now = np.zeros(n_fields)
    while (active := np.flatnonzero(now < time)).size:
        w_now = w[active]
        n, fastest = transported(w_now)
        if not np.isfinite(fastest).all():
            raise ValueError(
                f"the vorticity grows beyond bounds with dt_factor={dt_factor:g} and "
                f"viscosity={viscosity:g}; take a smaller dt_factor."
            )
        with np.errstate(divide="ignore"):
            dt = dt_factor * 2 * np.pi / size / fastest
        dt = np.minimum(dt, time - now[active])
        step = dt[:, None, None]
        with np.errstate(over="ignore", invalid="ignore"):
            decay = np.exp(-viscosity * step * square)
            first = decay * (w_now + step * n) * kept
            second, _ = transported(first)
            w[active] = (decay * w_now + step / 2 * (decay * n + second)) * kept
        now[active] += dt
    return back(w)


def gaussian_field(n_fields, size, *, rng, slope=2.0, corner=6.0):
    r"""Gaussian fields with a spectrum that falls with a power of the frequency.

    Parameters
    ----------
    n_fields, size : int
        Number of fields, and pixels along each axis.
    rng : numpy.random.Generator
    slope : float, default=2
    corner : float, default=6
        The spectrum is proportional to :math:`(|k|^2 + c^2)^{-s}`, k counting waves along the
        image: flat below the corner c, so that a field has many independent parts where c is large.

    Returns
    -------
    fields : ndarray, shape (n_fields, size, size)
        Of mean 0 and expected variance 1.
    spectrum : ndarray, shape (size, size)
        Expected :math:`|\hat x|^2 / size^2`, frequencies as of `numpy.fft.fft2`.

    Raises
    ------
    ValueError, TypeError
        If a setting is out of range or leaves no spectrum, or ``rng`` is no generator.
    """
    n_fields = validation.count(n_fields, "n_fields")
    size = validation.count(size, "size", at_least=8)
    validation.generator(rng)
    slope = validation.number(slope, "slope")
    corner = validation.number(corner, "corner", above=0, at_most=1e100)
    k = np.fft.fftfreq(size, 1 / size)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        spectrum = (k[:, None] ** 2 + k**2 + corner**2) ** -slope
        spectrum[0, 0] = 0.0
        total = spectrum.sum()
    if not 0 < total < np.inf:
        raise ValueError(
            f"with slope={slope:g} and corner={corner:g} the spectrum sums to {total:g}. Take a "
            "slope nearer to 0, or a corner nearer to 1."
        )
    spectrum /= spectrum.mean()
    noise = np.fft.fft2(rng.standard_normal((n_fields, size, size)))
    return np.fft.ifft2(noise * np.sqrt(spectrum)).real, spectrum


def cartoon(size, *, rng, n_shapes=6):
    """A drawn image: regions of smooth grey with sharp borders, as of an animated film.

    Parameters
    ----------
    size : int
        Pixels along each axis, at least 8.
    rng : numpy.random.Generator
        Draws discs and half-planes, their places and greys.
    n_shapes : int, default=6

    Returns
    -------
    image : ndarray, shape (size, size)
        Grey levels from 0 to 1. It continues at the opposite border.

    Raises
    ------
    ValueError, TypeError
        If a count is out of range or no whole number, or ``rng`` no generator.
    """
    size = validation.count(size, "size", at_least=8)
    n_shapes = validation.count(n_shapes, "n_shapes")
    validation.generator(rng)
    fine = 4  # points along each axis of a pixel, for smooth borders
    place = (np.arange(size * fine) + 0.5) / (size * fine)
    y, x = np.meshgrid(place, place, indexing="ij")
    image = np.full_like(x, rng.uniform(0.2, 0.8))
    for shape in range(n_shapes):
        cy, cx = rng.uniform(size=2)
        dy, dx = ((c + 0.5) % 1 - 0.5 for c in (y - cy, x - cx))
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.28)
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        if shape % 2:
            inside = (np.abs(along) < radius) & (np.abs(across) < 0.6 * radius)
        else:
            inside = np.hypot(along, across / 0.7) < radius
        shade = rng.uniform(0, 1) + rng.uniform(-0.5, 0.5) * along / radius / 2
        image = np.where(inside, shade, image)
    image = image.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return np.clip(image, 0, 1)


def reduced(fields, size):
    """Periodic fields with fewer pixels, without the frequencies that these cannot show.

    Parameters
    ----------
    fields : ndarray, shape (..., n, n)
    size : int
        Pixels along each axis, even and at most n.

    Returns
    -------
    fields : ndarray, shape (..., size, size)

    Raises
    ------
    ValueError
        If ``size`` is odd or exceeds n, or fields are not square.
    TypeError
        If it is no whole number.
    """
    fields = validation.array(fields, "fields")
    n = fields.shape[-1]
    size = validation.count(size, "size", at_least=2, at_most=n)
    if fields.shape[-2:] != (n, n) or size % 2:
        raise ValueError(
            f"fields must be square and size even, got shape {fields.shape} and size={size}."
        )
    if size == n:
        return fields
    kept = np.r_[0 : size // 2, n - size // 2 : n]
    spectrum = np.fft.fft2(fields)[..., kept[:, None], kept]
    half = size // 2  # the frequency that has no partner
    spectrum[..., half, :] = 0
    spectrum[..., :, half] = 0
    return np.fft.ifft2(spectrum).real * (size / n) ** 2


def _smooth(fields, sigma):
    """Convolution round the borders with a Gaussian whose values sum to 1."""
    n = fields.shape[-1]
    distance = np.minimum(np.arange(n), n - np.arange(n))
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    along = np.fft.fft(kernel / kernel.sum()).real
    return np.fft.ifft2(np.fft.fft2(fields) * along[:, None] * along).real
