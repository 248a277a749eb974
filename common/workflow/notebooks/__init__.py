"""Runs one notebook for one rule: parameters, kernel, fingerprint, errors, provenance."""
