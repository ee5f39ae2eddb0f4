"""What was printed, against the paper's pages."""

import numpy as np
import pytest

from helpers.data import study
from helpers.judgement.evaluation import proportion_interval
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS, printed, printed_table1, printed_table2


def test_tables_have_all_their_cells():
    assert printed_table1().shape == (21, 3)
    assert printed_table1().loc["Age", "test"] == "49.2 ± 11.4"
    table = printed_table2()
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.loc[4, ["test_accuracy", "test_auc", "test_auc_half_width"]].tolist() == [0.88, 0.86, 0.10]
    assert table.notna().all().all()


def test_numbers_of_patients_agree_wherever_they_stand():
    n, lost = (int(printed("Methods", row)) for row in ("patients", "non-responders"))
    assert lost / n == study.NON_RESPONDERS
    assert float(printed("Table 1", "Response: non-responder")) / 100 == pytest.approx(lost / n, abs=0.0005)
    assert N_RESPONDERS + N_NON_RESPONDERS == int(printed("Methods", "patients", "test"))
    share = float(printed("Table 1", "Response: responder", "test")) / 100
    assert N_RESPONDERS == share * (N_RESPONDERS + N_NON_RESPONDERS)
    assert study.TEST_NON_RESPONDERS == N_NON_RESPONDERS / (N_RESPONDERS + N_NON_RESPONDERS)


def test_printed_half_widths_are_of_level_95():
    """Of 44 of 50 patients Wald's half-width is 9 points at 95 %, as printed, and 8 at 90 %, 12 at 99 %."""
    width = printed_table2().loc[4, "test_accuracy_half_width"]
    assert width == round(1.959964 * np.sqrt(0.88 * 0.12 / 50), 2) == 0.09
    _, low, high = proportion_interval(44, 50)
    assert width == pytest.approx((high - low) / 2, abs=0.01)


def test_a_figure_that_was_not_printed_is_named():
    with pytest.raises(ValueError, match="'truth', 'hazard ratio'"):
        printed("Figure 5", "truth", "hazard ratio")
