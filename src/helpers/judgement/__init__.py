"""Judgement: Table 2, ROC, calibration, survival and prediction difference analysis."""
