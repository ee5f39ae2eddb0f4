"""Parameters of the study: flat in profiles and for papermill, by floor in the code, each checked by name and range.

A section holds what one part of the path reads. It is handed to that part alone, and keys what the part makes.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ground.errors import InputError
from ground.judged import CALL, Section, check_alone, check_name, shown, type_of
from ground.profiles import read_parameters

SIMULATED = "simulated"
STRIDE = 32  # the networks halve an image five times
VECTOR = 256  # length of the feature vector in the paper
WIDTH_MM = 60.0  # of a simulated scan
NYQUIST_MHZ = 20.0  # of a simulated scan
RESOLVED_MHZ_MM = 0.77  # frequencies that a window of 1 mm tells apart: half the speed of sound over its length
ALL_COUNT_DB = -100.0  # above the noise: no window is left out
LAST_SEED = 2**31 - 1

Count = Annotated[int, Field(ge=1, le=100_000)]
Seed = Annotated[int, Field(ge=0, le=LAST_SEED)]
Width = Annotated[int, Field(ge=1, le=1024)]  # channels
Units = Annotated[int, Field(ge=1, le=64)]  # of a network's stage
Modules = Annotated[int, Field(ge=0, le=8)]
Level = Annotated[float, Field(ge=0.5, le=0.999)]
Attenuation = Annotated[float, Field(ge=0, le=5)]  # dB/cm/MHz; muscle across its fibres has 3


def whole_band(band_mhz: list[float]) -> list[float]:
    """Return the band, empty or two rising frequencies that ultrasound has."""
    if band_mhz and not (len(band_mhz) == 2 and 0 < band_mhz[0] < band_mhz[1] <= 100):
        raise ValueError("expected [] or [low, high] in MHz, 0 < low < high <= 100")
    return band_mhz


def known_device(device: str) -> str:
    """Return the name of a device that torch knows; whether it is here is asked when it is used."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError("expected 'auto', 'cpu', 'mps', 'cuda' or 'cuda:0'")
    return device


def an_address(storage: str) -> str:
    """Return the address of a database, or nothing."""
    if storage and not re.fullmatch(r"\w+(\+\w+)?://\S+", storage):
        raise ValueError("expected nothing, or an address such as sqlite:///trials.db")
    return storage


class Study(Section):
    """Who the patients are."""

    cohort: Annotated[str, Field(min_length=1)]
    n_patients: Annotated[int, Field(ge=8, le=100_000)]
    n_test: Annotated[int, Field(ge=0, le=100_000)]  # 0: of a recorded cohort that names nobody for it
    n_validation: Annotated[int, Field(ge=0, le=100_000)]
    cohort_seed: Seed
    effect: Literal["base", "half", "none", "reversed"]
    signal: Literal["mean", "texture", "arrangement", "interaction"]
    attenuation_spread: Annotated[float, Field(ge=0, le=0.5)]

    @property
    def simulated(self) -> bool:
        return self.cohort == SIMULATED

    @property
    def whose(self) -> str:
        """What to call the patients: "Simulated" or "Recorded"."""
        return "Simulated" if self.simulated else "Recorded"


class Scan(Section):
    """How simulated patients and their phantom are scanned."""

    n_lines: Annotated[int, Field(ge=16, le=2048)]
    depth_cm: Annotated[float, Field(ge=3, le=15)]  # the shallowest tumours end at 3 cm
    n_reference_frames: Annotated[int, Field(ge=1, le=1000)]
    noise_db: Annotated[float, Field(ge=-120, le=-20)]


class Maps(Section):
    """How echoes become maps of core and margin."""

    window_mm: Annotated[float, Field(ge=0.2, le=20)]
    overlap: Annotated[float, Field(ge=0, le=0.99)]
    band_mhz: Annotated[list[float], AfterValidator(whole_band)]
    n_bins: Annotated[int, Field(ge=3, le=1024)]
    minimum_snr_db: Annotated[float, Field(ge=ALL_COUNT_DB, le=60)]
    attenuation_exponent: Annotated[float, Field(ge=0.5, le=2)]
    attenuation: Literal["estimate", "assumed"]
    background_attenuation_db_cm_mhz: Attenuation
    tumour_attenuation_db_cm_mhz: Attenuation
    margin_mm: Annotated[float, Field(ge=0.5, le=50)]

    @property
    def band(self) -> tuple[float, float] | None:
        """The band of the fits, MHz; None for that of the phantom's own spectrum."""
        return (self.band_mhz[0], self.band_mhz[1]) if self.band_mhz else None


class Images(Section):
    """How maps become square images."""

    image_px: Annotated[int, Field(ge=STRIDE, le=1024, multiple_of=STRIDE)]
    field_of_view_mm: Annotated[float, Field(ge=10, le=300)]


class Networks(Section):
    """How the networks are built."""

    resnet_block: Literal["basic", "bottleneck"]
    resnet_layers: Annotated[list[Units], Field(min_length=4, max_length=4)]
    resnet_width: Width
    ran_width: Width
    ran_attention: Annotated[list[Modules], Field(min_length=3, max_length=3)]
    ran_trunk_units: Units
    ran_tail_units: Units
    vector: Literal["flatten", "pool"]
    hidden: Annotated[int, Field(ge=1, le=10_000)]
    dropout: Annotated[float, Field(ge=0, le=0.95)]


class Training(Section):
    """How the networks are trained."""

    clip_percentile: Annotated[float, Field(ge=0, le=25)]
    seed: Seed
    epochs: Count
    patience: Count
    head_epochs: Count
    head_patience: Count
    batch_size: Annotated[int, Field(ge=2, le=65_536)]  # batch norm needs two samples
    learning_rate: Annotated[float, Field(ge=1e-8, le=1)]
    class_weight: Annotated[float, Field(ge=0.01, le=1000)]
    optimizer: Literal["adam", "adamw", "sgd"]
    max_shift: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["float32", "bf16"]
    compile_network: bool


class Search(Section):
    """How hyperparameters are searched for."""

    search_trials: Count
    search_backbone_trials: Annotated[int, Field(ge=0, le=100_000)]
    search_epochs: Count
    search_storage: Annotated[str, AfterValidator(an_address)]


class Judgement(Section):
    """How results are judged."""

    level: Level
    pda_patch_px: Annotated[int, Field(ge=1, le=1024)]
    pda_stride_px: Annotated[int, Field(ge=1, le=1024)]
    pda_batch_size: Annotated[int, Field(ge=1, le=65_536)]


class Computing(Section):
    """What computes it; of these only the device touches a result."""

    device: Annotated[str, AfterValidator(known_device)]
    processes: Annotated[int, Field(ge=1, le=1024)]
    models_per_gpu: Annotated[int, Field(ge=1, le=64)]


@dataclass(frozen=True)
class Settings:
    """All parameters of one run; ``notebooks/profiles/laptop.yml`` says what each one means."""

    study: Study
    scan: Scan
    maps: Maps
    images: Images
    networks: Networks
    training: Training
    search: Search
    judgement: Judgement
    computing: Computing

    def flat(self) -> dict[str, Any]:
        """Return name -> value of every parameter, in the order of the profiles."""
        return {name: value for field in fields(self) for name, value in getattr(self, field.name).model_dump().items()}

    def public(self) -> dict[str, Any]:
        """Return ``flat()`` to be published: without a database's address and the folder of recorded patients."""
        return {name: published(name, value) for name, value in self.flat().items()}

    def replace(self, **changes: Any) -> "Settings":
        """Return settings in which these parameters differ, checked as those of a profile."""
        return build(self.flat() | changes, dict.fromkeys(changes, CALL))


def published(name: str, value: Any) -> Any:
    """Return the value of a parameter as it may be published."""
    if name == "search_storage" and value:
        return value.partition("://")[0] + "://..."
    return "recorded" if name == "cohort" and value != SIMULATED else value


SECTIONS: dict[str, type[Section]] = {field.name: field.type for field in fields(Settings)}  # type: ignore[misc]
SECTION_OF = {name: title for title, section in SECTIONS.items() for name in section.model_fields}


TYPES = {name: type_of(SECTIONS[title].model_fields[name].annotation) for name, title in SECTION_OF.items()}


def load_settings(profile: str | Path, **changes: Any) -> Settings:
    """Read a profile and apply single changes to it.

    ``profile`` is the path of a ``.yml`` file, or a name such as ``"laptop"`` that is looked for
    in ``notebooks/profiles`` of the working directory and of the folders above it. A profile
    lists only what differs from ``laptop.yml`` beside it.

    Raises ``InputError`` for an unknown profile or parameter, and for a value of another type or beyond its range;
    it names the file, the parameter and the value.
    """
    return read_settings(profile, changes, CALL)


def read_settings(profile: str | Path, changes: Mapping[str, Any], source: str) -> Settings:
    """Read a profile as ``load_settings`` does; changes are refused by the name of their ``source``."""
    path = find_profile(profile)
    base = path.parent / "laptop.yml"
    values: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for origin, given in ((base, read_parameters(base)), (path, read_parameters(path)), (source, changes)):
        for name in given:
            check_name(name, TYPES, origin)
        values |= given
        sources |= dict.fromkeys(given, origin)
    missing = sorted(set(TYPES) - set(values))
    if missing:
        raise InputError(f"{path}: parameters {missing} are missing and there is no laptop.yml beside it")
    return build(values, sources)


def find_profile(profile: str | Path) -> Path:
    """Return the path of a profile given by path or by name."""
    path = Path(profile).expanduser()
    if path.suffix in {".yml", ".yaml"} and path.is_file():
        return path
    near: list[str] = []
    for folder in [Path.cwd(), *Path.cwd().parents]:
        named = folder / "notebooks" / "profiles" / f"{profile}.yml"
        if named.is_file():
            return named
        near += difflib.get_close_matches(str(profile), [other.stem for other in named.parent.glob("*.yml")], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"profile {str(profile)!r}: neither a .yml file nor a name in notebooks/profiles{hint}")


def build(values: Mapping[str, Any], sources: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """Return settings from flat values, each refused by the name of where it stands."""
    for name in values:
        check_name(name, TYPES, sources.get(name, CALL))
    by_section: dict[str, dict[str, Any]] = {title: {} for title in SECTIONS}
    for name, value in values.items():
        by_section[SECTION_OF[name]][name] = value
    for section in SECTIONS.values():
        check_alone(values, section, sources)
    made = {title: SECTIONS[title](**given) for title, given in by_section.items()}
    settings = Settings(**made)  # type: ignore[arg-type]
    for names, expected in contradictions(settings):
        told = ", ".join(f"{name} = {shown(name, values[name])}" for name in names.split())
        raise InputError(f"{sources.get(names.split()[0], CALL)}: {told}: expected {expected}")
    return settings


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the names of parameters that do not go together, and what is expected of them."""
    study, maps, images, judgement = settings.study, settings.maps, settings.images, settings.judgement
    n_maps = (images.image_px // STRIDE) ** 2
    if settings.networks.vector == "flatten" and n_maps > VECTOR:
        yield "image_px", f"512 or less: with vector = flatten, one map has {n_maps} pixels, more than {VECTOR}"
    if judgement.pda_patch_px > images.image_px:
        yield "pda_patch_px image_px", "a patch no larger than the image"
    if judgement.pda_stride_px > judgement.pda_patch_px:
        yield "pda_stride_px pda_patch_px", "steps no longer than the patch, which else leaves pixels out"
    if maps.band and maps.band[1] - maps.band[0] < RESOLVED_MHZ_MM / maps.window_mm:
        yield (
            "band_mhz window_mm",
            f"a band of {RESOLVED_MHZ_MM / maps.window_mm:.2g} MHz or more: windows this short tell no "
            "nearer frequencies apart",
        )
    if study.simulated:
        yield from contradictions_of_scans(settings)
        for name in ("n_test", "n_validation"):
            if not getattr(study, name):
                yield name, "1 or more"
        if study.n_test + study.n_validation >= study.n_patients:
            yield "n_test n_validation n_patients", "that some patients are left to train on"


def contradictions_of_scans(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the same of simulated scans, whose extent and sampling are known beforehand."""
    maps, scan = settings.maps, settings.scan
    if maps.band and maps.band[1] > NYQUIST_MHZ:
        yield "band_mhz", f"{NYQUIST_MHZ:g} MHz or less: half of what simulated echoes are sampled at"
    if maps.window_mm > min(WIDTH_MM, 10 * scan.depth_cm) / 4:
        yield "window_mm depth_cm", "windows no longer than a quarter of the scan"
    if maps.window_mm < WIDTH_MM / scan.n_lines:
        yield "window_mm n_lines", f"windows no narrower than the {WIDTH_MM / scan.n_lines:.3g} mm between lines"
