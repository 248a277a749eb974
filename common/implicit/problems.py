r"""Problems :math:`\ell(x) = \min_z L(z, x)` with the derivatives that gradient estimates need.

All three are linear models, :math:`L(z, x) = w \sum_i \phi(m_i, x_i) + \tfrac\lambda2 \|z\|^2` with
:math:`m = D z`, so that with :math:`\phi_m = \partial\phi / \partial m` and so on

.. math:: \partial_1 L = w D^\top \phi_m + \lambda z, \quad \partial_2 L = w\, \phi_x, \quad
          \partial_{11} L = w D^\top \mathrm{diag}(\phi_{mm}) D + \lambda I, \quad
          \partial_{12} L = w D^\top \mathrm{diag}(\phi_{mx}).

=========  ===========================  =============  ==================================
problem    :math:`\phi(m, x)`           :math:`w`      :math:`\lambda`
=========  ===========================  =============  ==================================
ridge      :math:`(x - m)^2 / 2`        1 / n          positive
logistic   :math:`\log(1 + e^{-x m})`   1 / n          positive; x is real, not a label
p-norm     :math:`|x - m|^p / p`        1              0: flat at the minimum
=========  ===========================  =============  ==================================

Another problem needs the same methods. Of vectors in double precision they check lengths alone,
because iterations call them a hundred thousand times; the functions of this package check values.
"""

import numpy as np
from scipy.special import expit

from common import validation
from common.implicit.estimators import fitting_point

__all__ = ["Logistic", "PNorm", "Ridge"]


class _LinearModel:
    """What linear models share; a subclass says what the loss of one row is.

    Attributes
    ----------
    D : ndarray, shape (n, n_parameters)
    reg : float
    n_inputs, n_parameters : int
    flat : ndarray, shape (n_parameters, n_flat)
        Orthonormal directions in z along which L never changes.
    """

    def __init__(self, D, *, reg, weight):
        self.D = validation.array(D, "D", ndim=2).astype(float)
        self.reg = reg
        self.n_inputs, self.n_parameters = self.D.shape
        self.weight = weight
        self.flat = np.zeros((self.n_parameters, 0))

    def value(self, z, x):
        """L(z, x).

        Parameters
        ----------
        z : ndarray, shape (n_parameters,)
        x : ndarray, shape (n_inputs,)

        Returns
        -------
        value : float

        Raises
        ------
        TypeError
            If an argument is no number; of all methods.
        ValueError
            If a shape does not fit.
        """
        z, x = fitting_point(self, z, x)
        return self.weight * self._loss(self.D @ z, x).sum() + self.reg / 2 * (z @ z)

    def gradient(self, z, x):
        """Derivative of L by z, shape (n_parameters,); see `value`."""
        z, x = fitting_point(self, z, x)
        return self.weight * (self._loss_m(self.D @ z, x) @ self.D) + self.reg * z

    def input_gradient(self, z, x):
        """Derivative of L by x at fixed z, shape (n_inputs,); see `value`."""
        z, x = fitting_point(self, z, x)
        return self.weight * self._loss_x(self.D @ z, x)

    def hessian(self, z, x):
        """Second derivative by z, shape (n_parameters, n_parameters); see `value`."""
        z, x = fitting_point(self, z, x)
        curved = self.weight * ((self.D.T * self._loss_mm(self.D @ z, x)) @ self.D)
        return curved + self.reg * np.eye(self.n_parameters)

    def cross(self, z, x):
        """Derivative of `gradient` by x, shape (n_parameters, n_inputs); see `value`."""
        z, x = fitting_point(self, z, x)
        return self.weight * (self.D.T * self._loss_mx(self.D @ z, x))

    def differential(self, z, x, jacobian):
        """`gradient` and its derivative by x where z moves with x, without forming the Hessian.

        Parameters
        ----------
        z, x
            See `value`.
        jacobian : ndarray, shape (n_parameters, n_inputs)
            dz / dx.

        Returns
        -------
        gradient : ndarray, shape (n_parameters,)
        derivative : ndarray, shape (n_parameters, n_inputs)
            ``hessian @ jacobian + cross``.
        """
        m = self.D @ z
        inner = self._loss_mm(m, x)[:, None] * (self.D @ jacobian)
        inner.flat[:: self.n_inputs + 1] += self._loss_mx(m, x)  # the diagonal
        gradient = self.weight * (self._loss_m(m, x) @ self.D)
        derivative = self.weight * (self.D.T @ inner)
        if self.reg == 0:
            return gradient, derivative
        return gradient + self.reg * z, derivative + self.reg * jacobian

    def _input(self, x):
        """An input, checked."""
        x = validation.vector(x, "x").astype(float)
        if len(x) != self.n_inputs:
            raise ValueError(f"x must have {self.n_inputs} values, got {len(x)}.")
        return x


class Ridge(_LinearModel):
    r"""Ridge regression, :math:`\tfrac1{2n} \|x - D z\|^2 + \tfrac\lambda2 \|z\|^2`.

    Parameters
    ----------
    D : array_like, shape (n, n_parameters)
    reg : float
        Lambda.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a value is not finite or lambda not positive.
    """

    def __init__(self, D, *, reg):
        super().__init__(D, reg=validation.number(reg, "reg", above=0), weight=1.0)
        self.weight = 1 / self.n_inputs

    def smoothness(self, x):
        r"""Largest curvature in z, :math:`\|D\|^2 / n + \lambda`.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)
            Its values do not matter.

        Returns
        -------
        smoothness : float

        Raises
        ------
        TypeError, ValueError
            If ``x`` is no such vector of finite numbers.
        """
        self._input(x)
        return np.linalg.norm(self.D, 2) ** 2 * self.weight + self.reg

    def _loss(self, m, x):
        return (x - m) ** 2 / 2

    def _loss_m(self, m, x):
        return m - x

    def _loss_x(self, m, x):
        return x - m

    def _loss_mm(self, m, x):
        return np.ones_like(m)

    def _loss_mx(self, m, x):
        return -np.ones_like(m)


class Logistic(_LinearModel):
    r"""Logistic loss, :math:`\tfrac1n \sum_i \log(1 + e^{-x_i (D z)_i}) + \tfrac\lambda2 \|z\|^2`.

    Parameters
    ----------
    D, reg
        As in `Ridge`.

    Raises
    ------
    TypeError, ValueError
        As `Ridge`.
    """

    def __init__(self, D, *, reg):
        super().__init__(D, reg=validation.number(reg, "reg", above=0), weight=1.0)
        self.weight = 1 / self.n_inputs

    def smoothness(self, x):
        r"""Largest curvature in z, :math:`\|\mathrm{diag}(x) D\|^2 / 4n + \lambda`.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)

        Returns
        -------
        smoothness : float

        Raises
        ------
        TypeError, ValueError
            If ``x`` is no such vector of finite numbers.
        """
        x = self._input(x)
        return np.linalg.norm(x[:, None] * self.D, 2) ** 2 / 4 * self.weight + self.reg

    def _loss(self, m, x):
        return np.logaddexp(0, -x * m)

    def _loss_m(self, m, x):
        return -x * expit(-x * m)

    def _loss_x(self, m, x):
        return -m * expit(-x * m)

    def _loss_mm(self, m, x):
        return x**2 * expit(x * m) * expit(-x * m)

    def _loss_mx(self, m, x):
        wrong = expit(-x * m)
        return wrong * (x * m * (1 - wrong) - 1)


class PNorm(_LinearModel):
    r"""Distance in a p-norm, :math:`\tfrac1p \|x - D z\|_p^p`: its minimum is 0, and flat.

    Parameters
    ----------
    D : array_like, shape (n, n_parameters)
        Of full row rank, so that some z reaches every x.
    p : int
        Even, at least 4.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a value is not finite, p is no such number, or D has not full row rank.
    """

    def __init__(self, D, *, p):
        self.p = validation.count(p, "p", at_least=4)
        if self.p % 2:
            raise ValueError(f"p must be even, got {p}: then the loss is a polynomial.")
        super().__init__(D, reg=0.0, weight=1.0)
        _, singular, rows = np.linalg.svd(self.D)
        rank = int((singular > 1e-10 * singular[0]).sum())
        if rank < self.n_inputs:
            raise ValueError(
                f"D must have full row rank, {self.n_inputs}, got rank {rank}: "
                "no z reaches some x. Leave rows out that others combine to."
            )
        self.flat = rows[rank:].T

    def smoothness(self, x):
        r"""Bound of the curvature in z where :math:`\|x - D z\|_\infty \le \|x\|_\infty`.

        This holds at the start z = 0; far from it the curvature grows beyond all bounds.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)

        Returns
        -------
        smoothness : float

        Raises
        ------
        TypeError, ValueError
            If ``x`` is no such vector of finite numbers.
        """
        x = self._input(x)
        steepest = (self.p - 1) * np.abs(x).max() ** (self.p - 2)
        return np.linalg.norm(self.D, 2) ** 2 * steepest

    def minimizer(self, x):
        """The shortest z with D z = x.

        Parameters
        ----------
        x : ndarray, shape (n_inputs,)

        Returns
        -------
        z : ndarray, shape (n_parameters,)

        Raises
        ------
        TypeError, ValueError
            If ``x`` is no such vector of finite numbers.
        """
        return np.linalg.lstsq(self.D, self._input(x), rcond=None)[0]

    def _loss(self, m, x):
        return (x - m) ** self.p / self.p

    def _loss_m(self, m, x):
        return -((x - m) ** (self.p - 1))

    def _loss_x(self, m, x):
        return (x - m) ** (self.p - 1)

    def _loss_mm(self, m, x):
        return (self.p - 1) * (x - m) ** (self.p - 2)

    def _loss_mx(self, m, x):
        return -self._loss_mm(m, x)
