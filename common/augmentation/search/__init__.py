"""Search of augmentation policies: several methods behind `search_policy`."""

from common.augmentation.search.policies import Policy, make_operations
from common.augmentation.search.searching import METHODS, Search, fit, search_policy

__all__ = ["METHODS", "Policy", "Search", "fit", "make_operations", "search_policy"]
