"""From echo to outcome: quantitative ultrasound and deep learning, one module per chapter's idea."""

__version__ = "0.2.0"
