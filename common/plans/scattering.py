"""What the steps about scattering transforms are: their units, inputs, and what tables hold."""

from common import registry

__all__ = ["Plan"]

MOLECULES = {"g2": ["ase-g2-1", "ase-g2-2"], "qm7": ["qm7"]}
"""Entries of the registry that each set of molecules is made of."""


class Plan:
    """Steps of a scale of ``papers/kymatio-scattering``.

    A method with ``wildcards`` gives an input of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    derived : str
        Folder of prepared data.
    """

    def __init__(self, settings, derived):
        self.settings = settings
        self.derived = derived

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        speed = self.settings["speed"]
        contract = {"case": speed["cases"] + speed["sweep"], "implementation": ["scattering"]}
        return {"speed": [{"parts": ["speed/cases.csv", "speed/sweep.csv"], "contract": contract}]}

    def molecules(self, wildcards):
        """Files with the molecules of a set."""
        return [registry.path(name) for name in MOLECULES[wildcards.molecule_set]]

    def features(self, wildcards):
        """Files with the coefficients of a set of molecules, chunk by chunk."""
        chunks = range(self.settings["molecules"]["chunks"])
        return [f"{self.derived}/{wildcards.molecule_set}/{chunk}.npz" for chunk in chunks]
