"""Shared library of the paper artifacts: everything that more than one cell needs."""
