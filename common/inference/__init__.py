"""Simulation-based inference: simulators, priors, posteriors by conditional flows, and their tests.

Import from the modules: `common.inference.hierarchical` and `common.inference.flows` load torch and
sbi, which the others do without.
"""
