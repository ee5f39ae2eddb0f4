"""Against cases counted by hand, and against the figures that other people's formulas give."""

import numpy as np
import pytest

from pages import printed
from trust import audit


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        (64.44, "64.4", audit.REPRODUCED),
        (82.5, "82.5", audit.REPRODUCED),
        (0.1166, "0.12", audit.REPRODUCED),
        (86.67, "86", audit.CUT),
        (15.56, "15.5", audit.CUT),
        (30, "31", "not reproduced: off by -1"),
        (0.183, "0.12", "not reproduced: off by +0.063"),
        (85.4, "86", "not reproduced: off by -0.6"),  # cut off, it would read 85
    ],
)
def test_verdict_by_hand(value, text, expected):
    assert audit.verdict(value, text) == expected


def test_about_has_a_coarser_unit():
    assert audit.verdict(27.6, "30", unit=5) == audit.REPRODUCED
    assert audit.verdict(26, "30", unit=5).startswith("not reproduced")


def test_counts_by_hand():
    """64.4 % of 45 is 29; of 50 nothing is; 86 % of 30 only with digits cut off, as 26 of 30 is 86.67 %."""
    assert audit.counts("64.4", 45) == [29]
    assert audit.counts("64.4", 50) == []
    assert audit.counts("86", 30) == []
    assert audit.counts("86", 30, cut=True) == [26]


@pytest.mark.parametrize("cut", [False, True])
def test_counts_against_trying_every_number(cut):
    allowed = {audit.REPRODUCED, audit.CUT} if cut else {audit.REPRODUCED}
    for text, total in [("0.0", 36), ("100", 50), ("62", 181), ("99.5", 131), ("2", 50), ("24.4", 172)]:
        every = [k for k in range(total + 1) if audit.verdict(100 * k / total, text) in allowed]
        assert audit.counts(text, total, cut) == every


def test_confusions_by_hand():
    """33 of 40 responders and 7 of 10 non-responders are 40 of 50 patients."""
    assert audit.confusions("80", "82.5", "70", 40, 10) == [(33, 7)]
    assert audit.confusions("81", "82.5", "70", 40, 10) == []


def test_test_set_of_the_paper_is_determined():
    assert audit.splits_behind("test", 50) == [(40, 10)]
    found = [audit.confusions(*rates, 40, 10) for rates in audit.printed_rates("test")]
    assert found == [[(33, 7)], [(34, 7)], [(32, 8)], [(37, 7)]]


def test_validation_fits_30_patients_not_31():
    assert audit.splits_behind("validation", 31) == audit.splits_behind("validation", 31, cut=True) == []
    assert audit.splits_behind("validation", 30) == []
    assert audit.splits_behind("validation", 30, cut=True) == [(21, 9)]
    found = [audit.confusions(*rates, 21, 9, cut=True) for rates in audit.printed_rates("validation")]
    assert found == [[(16, 7)], [(19, 7)], [(18, 7)], [(19, 7)]]


def test_accuracy_widths_are_walds():
    for split, size in (("test", (40, 10)), ("validation", (21, 9))):
        table = audit.rates_and_widths(split, *size, cut=True)
        assert len(table) == 16
        assert (table.verdict[table.figure.str.startswith("±")] == audit.REPRODUCED).all()


def test_wald_by_hand():
    assert audit.wald(0.8, 50) == pytest.approx(1.959963984540054 * (0.16 / 50) ** 0.5, abs=1e-12)


def test_hanley_mcneil_by_hand():
    """AUC 0.77: Q1 = 0.77 / 1.23, Q2 = 2 * 0.5929 / 1.77, 10 positives against 40 negatives."""
    q1, q2 = 0.77 / 1.23, 2 * 0.5929 / 1.77
    variance = (0.77 * 0.23 + 9 * (q1 - 0.5929) + 39 * (q2 - 0.5929)) / 400
    assert audit.hanley_mcneil(0.77, 10, 40) == pytest.approx(variance**0.5, abs=1e-12)


def test_auc_widths_are_those_of_a_proportion():
    table = audit.auc_widths()
    as_proportion = table.figure.str.contains("proportion")
    assert (table.verdict[as_proportion] == audit.REPRODUCED).all()
    assert table.recomputed[~as_proportion].tolist() == ["0.183", "0.165", "0.168", "0.153"]
    assert table.verdict[~as_proportion].str.startswith(audit.SHORT).all()
    assert "1.6 times" in table.verdict[~as_proportion].iloc[1]  # 0.1648 / 0.10


def test_denominators_by_hand():
    """1, 2 and 4 of 7; their double; not 3 alone: thirds are 33.3 %."""
    assert audit.denominators(["14.3", "28.6", "57.1"], 15) == [7, 14]
    assert audit.denominators(["33.3"], 7, whole=False) == [3, 6]
    assert audit.denominators(["50", "40"], 20) == []  # 90 % of the patients are no whole


def test_receptors_of_the_test_patients_are_those_of_45():
    table = audit.table1_denominators(cut=True)
    assert table.loc["Molecular", "test"] == [45]
    assert table.loc["Molecular", "training"] == [128]
    assert table.loc["Molecular", "all"] == [172]  # one less than 128 + 45
    assert table.loc["Molecular", "adds_up"] == table.loc["Grade", "adds_up"] == []
    assert (131, 50) in audit.table1_denominators().loc["Response", "adds_up"]


def test_pooled_standard_deviation_against_numpy(monkeypatch):
    generator = np.random.default_rng(0)
    one, other = generator.normal(51, 11, 131), generator.normal(49, 12, 50)
    values = {"training": one, "test": other, "all": np.concatenate([one, other])}

    def exactly(place, row, column="all", what="value"):
        if place == "Methods":
            return str(len(values[column]))
        return repr(float(values[column].mean() if what == "value" else values[column].std(ddof=1)))

    monkeypatch.setattr(audit, "printed", exactly)
    monkeypatch.setattr(audit, "verdict", lambda value, text, unit=None: abs(value - float(text)))
    assert audit.pooled_means().verdict.max() < 1e-9


def test_numbers_of_patients_are_reproduced():
    assert (audit.patients().verdict == audit.REPRODUCED).all()


def test_no_information_by_hand():
    table = audit.against_no_information()
    assert table.right.tolist() == [40, 41, 40, 44]
    assert table.no_information.tolist() == [0.8] * 4
    # sum(dbinom(44:50, 50, 0.8)) in R
    assert table.p[4] == pytest.approx(0.1033980, abs=1e-6)


def test_bounds_by_hand():
    """Model 4: 7 of 10 and 37 of 40; 26 of 30 validation patients right."""
    table = audit.bounds().set_index(["place", "figure"]).loc["Table 2, model 4"]
    assert table.recomputed["test AUC"] == "0.65 to 0.98"  # 0.7 * 0.925; 1 - 0.3 * 0.075
    assert table.recomputed["validation loss"] == "at least 0.09"  # 4 ln 2 / 30
    assert (table.verdict == "possible").all()


def test_printed_tables_have_all_their_cells():
    assert printed.printed_table1().shape == (21, 3)
    assert printed.printed_table1().loc["Age", "test"] == "49.2 ± 11.4"
    table = printed.printed_table2()
    assert table.shape == (4, 13)
    assert table.loc[4, ["test_accuracy", "test_accuracy_half_width", "test_auc"]].tolist() == [0.88, 0.09, 0.86]
    assert not printed.PRINTED.duplicated(["place", "row", "column"]).any()


def test_a_figure_that_was_not_printed_is_named():
    with pytest.raises(ValueError, match="hazard ratio"):
        printed.printed("Figure 5", "truth", "hazard ratio")
