"""Parameters of the study: flat in profiles and for papermill, by floor in the code, each checked by name and range.

A section holds what one part of the path reads. It is handed to that part alone, and keys what the part makes.
"""

import difflib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

SIMULATED = "simulated"
STRIDE = 32  # the networks halve an image five times
VECTOR = 256  # length of the feature vector in the paper

Count = Annotated[int, Field(ge=1)]
Length = Annotated[float, Field(gt=0)]
Level = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """Parameters of one part of the path; a value of another type or beyond its range is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def whole_band(band_mhz: list[float]) -> list[float]:
    """Return the band, empty or two rising frequencies."""
    if band_mhz and not (len(band_mhz) == 2 and 0 < band_mhz[0] < band_mhz[1]):
        raise ValueError("expected [] or [low, high] in MHz, 0 < low < high")
    return band_mhz


def known_device(device: str) -> str:
    """Return the name of a device that torch knows; whether it is here is asked when it is used."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError("expected 'auto', 'cpu', 'mps', 'cuda' or 'cuda:0'")
    return device


class Study(Section):
    """Who the patients are."""

    cohort: Annotated[str, Field(min_length=1)]
    n_patients: Annotated[int, Field(ge=8)]
    n_test: Count
    n_validation: Count
    cohort_seed: Annotated[int, Field(ge=0)]
    effect: Literal["base", "half", "none", "reversed"]

    @property
    def simulated(self) -> bool:
        return self.cohort == SIMULATED

    @property
    def whose(self) -> str:
        """What to call the patients: "Simulated" or "Recorded"."""
        return "Simulated" if self.simulated else "Recorded"


class Scan(Section):
    """How simulated patients and their phantom are scanned."""

    n_lines: Annotated[int, Field(ge=8)]
    depth_cm: Annotated[float, Field(gt=0, le=30)]
    n_reference_frames: Count


class Maps(Section):
    """How echoes become maps of core and margin."""

    window_mm: Length
    overlap: Annotated[float, Field(ge=0, lt=1)]
    band_mhz: Annotated[list[float], AfterValidator(whole_band)]
    n_bins: Annotated[int, Field(ge=3)]
    background_attenuation_db_cm_mhz: Annotated[float, Field(ge=0, le=10)]
    tumour_attenuation_db_cm_mhz: Annotated[float, Field(ge=0, le=10)]
    margin_mm: Length

    @property
    def band(self) -> tuple[float, float] | None:
        """The band of the fits, MHz; None for that of the phantom's own spectrum."""
        return (self.band_mhz[0], self.band_mhz[1]) if self.band_mhz else None


class Images(Section):
    """How maps become square images."""

    image_px: Annotated[int, Field(ge=STRIDE, multiple_of=STRIDE)]
    field_of_view_mm: Length


class Networks(Section):
    """How the networks are built."""

    resnet_block: Literal["basic", "bottleneck"]
    resnet_layers: Annotated[list[Count], Field(min_length=4, max_length=4)]
    resnet_width: Count
    ran_width: Count
    ran_attention: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=3, max_length=3)]
    ran_trunk_units: Count
    ran_tail_units: Count
    vector: Literal["flatten", "pool"]
    hidden: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Training(Section):
    """How the networks are trained."""

    clip_percentile: Annotated[float, Field(ge=0, lt=50)]
    seed: Annotated[int, Field(ge=0)]
    epochs: Count
    patience: Count
    head_epochs: Count
    head_patience: Count
    batch_size: Annotated[int, Field(ge=2)]  # batch norm needs two samples
    learning_rate: Length
    class_weight: Length
    optimizer: Literal["adam", "sgd"]
    max_shift: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["float32", "bf16"]
    compile_network: bool


class Search(Section):
    """How hyperparameters are searched for."""

    search_trials: Count
    search_backbone_trials: Annotated[int, Field(ge=0)]
    search_epochs: Count
    search_storage: str


class Judgement(Section):
    """How results are judged."""

    level: Level
    pda_patch_px: Count
    pda_stride_px: Count
    pda_batch_size: Count


class Computing(Section):
    """What computes it; of these only the device touches a result."""

    device: Annotated[str, AfterValidator(known_device)]
    processes: Count
    models_per_gpu: Count


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

    def replace(self, **changes: Any) -> "Settings":
        """Return settings in which these parameters differ, checked as those of a profile."""
        return build(self.flat() | changes, dict.fromkeys(changes, "call"))


SECTIONS: dict[str, type[Section]] = {field.name: field.type for field in fields(Settings)}  # type: ignore[misc]
SECTION_OF = {name: title for title, section in SECTIONS.items() for name in section.model_fields}


def type_of(annotation: Any) -> type:
    """Return the plain type behind a field's annotation."""
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0])
    return get_origin(annotation) or annotation


TYPES = {name: type_of(SECTIONS[title].model_fields[name].annotation) for name, title in SECTION_OF.items()}


def load_settings(profile: str | Path, **changes: Any) -> Settings:
    """Read a profile and apply single changes to it.

    ``profile`` is the path of a ``.yml`` file, or a name such as ``"laptop"`` that is looked for
    in ``notebooks/profiles`` of the working directory and of the folders above it. A profile
    lists only what differs from ``laptop.yml`` beside it.

    Raises ``FileNotFoundError`` for an unknown profile, ``ValueError`` for an unknown parameter or a value beyond
    its range, ``TypeError`` for a value of the wrong type; each names the file, the parameter and the value.
    """
    path = find_profile(profile)
    base = path.parent / "laptop.yml"
    values: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for source, given in ((base, read_parameters(base)), (path, read_parameters(path)), ("call", changes)):
        for name in given:
            check_name(name, TYPES, source)
        values |= given
        sources |= dict.fromkeys(given, source)
    missing = sorted(set(TYPES) - set(values))
    if missing:
        raise ValueError(f"{path}: parameters {missing} are missing and there is no laptop.yml beside it")
    return build(values, sources)


def find_profile(profile: str | Path) -> Path:
    """Return the path of a profile given by path or by name."""
    path = Path(profile)
    if path.suffix in {".yml", ".yaml"} and path.exists():
        return path
    for folder in [Path.cwd(), *Path.cwd().parents]:
        named = folder / "notebooks" / "profiles" / f"{profile}.yml"
        if named.exists():
            return named
    raise FileNotFoundError(f"profile {str(profile)!r}: neither a .yml file nor a name in notebooks/profiles")


def read_parameters(path: Path) -> dict[str, Any]:
    """Read one parameter file, if it is there."""
    values = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected lines of the form 'parameter: value', got {type(values).__name__}")
    return values


def build(values: Mapping[str, Any], sources: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """Return settings from flat values, each refused by the name of where it stands."""
    for name in values:
        check_name(name, TYPES, sources.get(name, "call"))
    by_section: dict[str, dict[str, Any]] = {title: {} for title in SECTIONS}
    for name, value in values.items():
        by_section[SECTION_OF[name]][name] = value
    try:
        settings = Settings(**{title: SECTIONS[title](**given) for title, given in by_section.items()})  # type: ignore[arg-type]
    except ValidationError as error:
        raise refusal(error, values, sources) from None
    check_together(settings)
    return settings


MORE = {"greater": "more", "less": "less"}


def refusal(error: ValidationError, values: Mapping[str, Any], sources: Mapping[str, Any]) -> Exception:
    """Return what pydantic found first as one line: source, name, value and expectation."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    value = values[name]
    where = f"{sources.get(name, 'call')}: {name} = {value!r}"
    if first["type"].endswith(("_type", "_from_float")) and len(first["loc"]) == 1:
        return TypeError(f"{where} is {type(value).__name__}, expected {TYPES[name].__name__}")
    told = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    told = re.sub(r"(greater|less) than or equal to (\S+)", lambda m: f"{m[2]} or {MORE[m[1]]}", told)
    return ValueError(f"{where}: {told if 'expected' in told else 'expected that ' + told}")


def check_together(settings: Settings) -> None:
    """Raise ``ValueError`` for values that do not go together."""
    image_px, vector = settings.images.image_px, settings.networks.vector
    if vector == "flatten" and (image_px // STRIDE) ** 2 > VECTOR:
        raise ValueError(
            f"image_px = {image_px}: one map has {(image_px // STRIDE) ** 2} pixels, more than {VECTOR}; "
            "take 512 or less"
        )


def check_name(name: str, known: Mapping[str, type], source: Any) -> None:
    """Raise ``ValueError`` for a parameter that does not exist, with the nearest one that does."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{source}: unknown parameter {name!r}{hint}")


def parse_changes(text: str, own: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Read ``"image_px=96 seed=3"`` into values of the declared types.

    ``own`` holds name -> type of the parameters that only chapters declare. Raises ``ValueError``
    for a word without ``=`` or an unknown name, ``TypeError`` for a value of the wrong type.
    """
    changes, known = {}, TYPES | dict(own or {})
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"SET: expected 'parameter=value', got {word!r}")
        check_name(name, known, "SET")
        changes[name] = read_value(name, value, known[name])
    return changes


def read_value(name: str, text: str, expected: type) -> Any:
    """Return the text of a value as the expected type: a word for ``str``, else a JSON value."""
    if expected is str:
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise TypeError(f"SET: {name} = {text!r} is {type(value).__name__}, expected {expected.__name__}")
    return value
