"""Judgement: Table 2, ROC, survival and prediction difference analysis.

>>> from helpers.judgement import auc_interval, proportion_interval, survival
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
