"""What chapters declare for themselves, in no profile: judged by range as the parameters of the study are."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ground.judged import CALL, Section, check_alone
from helpers.settings import SECTIONS, Attenuation, Count


class Own(Section):
    """What chapters declare for themselves, each by its chapter: judged where it is given, in no profile."""

    patient: str = ""
    plane: Annotated[int, Field(ge=-1, le=10_000)] = 0
    scatterers_per_cell: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    n_checked: Count = 1
    n_seeds: Annotated[int, Field(ge=2, le=1000)] = 2
    model: Literal["resnet_core", "resnet_core_margin", "ran_core", "ran_core_margin"] = "ran_core_margin"
    n_splits: Annotated[int, Field(ge=2, le=100_000)] = 2
    pda_draws: Annotated[int, Field(ge=1, le=1000)] = 1
    pda_random: Annotated[int, Field(ge=2, le=1000)] = 2
    pda_checked: Count = 1
    results_file: Annotated[str, Field(min_length=1)] = "results/experiment.json"
    seeds_file: Annotated[str, Field(min_length=1)] = "results/seeds/laptop.json"
    rerun_cohorts: Annotated[int, Field(ge=0, le=100)] = 0
    rerun_new: Annotated[int, Field(ge=12, le=100_000)] = 12
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 1
    n_scans: Annotated[int, Field(ge=2, le=10_000)] = 2
    sample_rf: str = ""
    reference_rf: str = ""
    outline_file: str = ""
    backscatter_file: str = ""
    frame: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    line_pitch_mm: Annotated[float, Field(ge=0.01, le=5)] = 1.0
    sample_attenuation_db_cm_mhz: Attenuation = 0.0
    reference_attenuation_db_cm_mhz: Attenuation = 0.0
    reference_attenuation_exponent: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    reference_sound_speed_m_s: Annotated[float, Field(ge=1300, le=1800)] = 1540.0
    artifacts: Annotated[str, Field(min_length=1)] = "artifacts"


def check_each(values: Mapping[str, Any], source: str = CALL) -> None:
    """Raise ``InputError`` for a value of another type or beyond its range, whichever parameters are there.

    It looks at those of the study and at those that chapters declare for themselves, and passes over other names.
    """
    sections: list[type[Section]] = [*SECTIONS.values(), Own]
    for section in sections:
        check_alone(values, section, dict.fromkeys(values, source))
