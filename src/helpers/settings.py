"""Parameters of the study: one flat file per profile, checked by name and by type."""

import difflib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Settings:
    """All parameters of one run; ``notebooks/profiles/laptop.yml`` says what each one means."""

    # the study
    cohort: str
    n_patients: int
    n_test: int
    n_validation: int
    cohort_seed: int
    effect: str
    # RF and reference phantom
    n_lines: int
    depth_cm: float
    n_reference_frames: int
    # parametric maps
    window_mm: float
    overlap: float
    band_mhz: list
    n_bins: int
    background_attenuation_db_cm_mhz: float
    tumour_attenuation_db_cm_mhz: float
    # regions
    margin_mm: float
    # images
    image_px: int
    field_of_view_mm: float
    clip_percentile: float
    # networks
    resnet_block: str
    resnet_layers: list
    resnet_width: int
    ran_width: int
    ran_attention: list
    ran_trunk_units: int
    ran_tail_units: int
    vector: str
    hidden: int
    dropout: float
    # training
    seed: int
    epochs: int
    patience: int
    head_epochs: int
    head_patience: int
    batch_size: int
    learning_rate: float
    class_weight: float
    optimizer: str
    max_shift: float
    device: str
    precision: str
    compile_network: bool
    # search
    search_trials: int
    search_backbone_trials: int
    search_epochs: int
    search_storage: str
    # evaluation
    level: float
    # prediction difference analysis
    pda_patch_px: int
    pda_stride_px: int
    pda_batch_size: int
    # computing
    processes: int
    models_per_gpu: int

    def only(self, *names: str) -> dict[str, Any]:
        """Return the named parameters as a dict, to key an artifact by what it depends on."""
        everything = asdict(self)
        return {name: everything[name] for name in names}


# What a trained model depends on, besides the images, the patients and the device.
TRAINING = (
    "image_px", "clip_percentile", "resnet_block", "resnet_layers", "resnet_width", "ran_width", "ran_attention",
    "ran_trunk_units", "ran_tail_units", "vector", "hidden", "dropout", "seed", "epochs", "patience", "head_epochs",
    "head_patience", "batch_size", "learning_rate", "class_weight", "optimizer", "max_shift", "precision",
    "compile_network",
)  # fmt: skip
TYPES = {field.name: field.type for field in fields(Settings)}


def load_settings(profile: str | Path, **changes: Any) -> Settings:
    """Read a profile and apply single changes to it.

    ``profile`` is the path of a ``.yml`` file, or a name such as ``"laptop"`` that is looked for
    in ``notebooks/profiles`` of the working directory and of the folders above it. A profile
    lists only what differs from ``laptop.yml`` beside it.

    Raises ``FileNotFoundError`` for an unknown profile, ``ValueError`` for an unknown parameter,
    ``TypeError`` for a value of the wrong type; each names the file, the parameter and the value.
    """
    path = find_profile(profile)
    base = path.parent / "laptop.yml"
    values = read_parameters(base) if base.exists() else {}
    values |= read_parameters(path)
    values |= {name: check(name, value, "call") for name, value in changes.items()}
    missing = sorted(set(TYPES) - set(values))
    if missing:
        raise ValueError(f"{path}: parameters {missing} are missing and there is no laptop.yml beside it")
    return Settings(**values)


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
    """Read one parameter file and check every name and type in it."""
    values = yaml.safe_load(path.read_text()) or {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected lines of the form 'parameter: value', got {type(values).__name__}")
    return {name: check(name, value, path) for name, value in values.items()}


def check(name: str, value: Any, source: str | Path) -> Any:
    """Return the value in its declared type, or say what is wrong with it."""
    if name not in TYPES:
        near = difflib.get_close_matches(name, TYPES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{source}: unknown parameter {name!r}{hint}")
    expected = TYPES[name]
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(f"{source}: {name} = {value!r} is {type(value).__name__}, expected {expected.__name__}")
    return value
