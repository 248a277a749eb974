"""Data augmentation of EEG windows: the transformations, and the study that compares them.

Import from the modules: the rules of the workflow read `common.augmentation.plan` at every start,
which must not load torch.
"""
