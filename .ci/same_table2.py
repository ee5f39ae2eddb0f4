"""Does the cohort that was exported give the Table 2 of the simulated one, to the last digit?

``python .ci/same_table2.py FOLDER [PROFILE]``; what is not computed yet is computed.
"""

import sys

import pandas as pd

from helpers import stages
from helpers.judgement.evaluation import table2
from helpers.settings import load_settings

folder, profile = sys.argv[1], (sys.argv[2:] or ["smoke"])[0]
found = [
    stages.models(settings, "artifacts").predictions
    for settings in (load_settings(profile), load_settings(profile, cohort=folder))
]
simulated, exported = (predictions.drop(columns="patient") for predictions in found)
pd.testing.assert_frame_equal(simulated, exported, check_exact=True)
pd.testing.assert_frame_equal(*map(table2, found), check_exact=True)
print(f"{len(simulated)} predictions and Table 2 are the same, simulated and read back")
