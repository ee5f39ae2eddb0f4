"""The face of the part: what a reader imports, and what that loads."""

import subprocess
import sys

import pytest

LIGHT = """
import sys
import helpers.judgement
assert not {"numpy", "pandas", "torch"} & set(sys.modules), "the face alone loads nothing"
from beyond import calibration
from helpers.judgement import auc_interval, evaluation, proportion_interval, roc
import helpers
assert helpers.judgement.survival.compare.__name__ == "compare"
assert auc_interval([1, 0], [0.9, 0.1])[0] == 1 and proportion_interval(1, 2)[0] == 0.5
assert not {"torch", "matplotlib", "helpers.learning", "pages", "trust"} & set(sys.modules), sorted(sys.modules)
assert "prediction_difference" in dir(helpers.judgement)
"""


def test_judging_loads_neither_torch_nor_what_stands_above():
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=120)


def test_prediction_difference_stands_behind_the_face():
    from helpers.judgement import pda, prediction_difference

    assert prediction_difference is pda.prediction_difference
    with pytest.raises(ImportError, match="nowhere"):
        from helpers.judgement import nowhere  # noqa: F401
