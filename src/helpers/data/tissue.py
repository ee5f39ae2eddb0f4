"""Tissue of a simulated tumour: outline, size and concentration of scatterers, attenuation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt, gaussian_filter

from helpers.data.regions import core_from_polygon
from helpers.data.rf import RFPlane
from helpers.data.study import ATTENUATION_DB_CM_MHZ, CORRELATION_MM

GRID_MM = 0.25
WIDTH_MM = 60.0
MARGIN_MM = 5.0  # the shell of tissue around the core that has properties of its own
EDGE_MM = 0.3  # softness of the borders between core, margin and background
PLANE_SD = {"esd_um": 4.0, "eac_db": 1.0}  # from plane to plane of one tumour
SPICULES = {"number": (7, 12), "length_mm": (2.0, 7.0), "base_mm": (1.5, 3.0)}  # of a spiculated outline in a plane
FIELD_SD = {"esd_um": 8.0, "eac_db": 2.0}  # inside a plane; the core's EAC has the patient's own


@dataclass(frozen=True, eq=False)
class Tissue:
    """Tissue on a regular grid, all fields (n_z, n_x)."""

    esd_um: np.ndarray
    eac_db: np.ndarray  # dB re 1/cm^3
    attenuation_db_cm_mhz: np.ndarray
    depth_mm: np.ndarray  # (n_z,)
    lateral_mm: np.ndarray  # (n_x,)
    attenuation_exponent: float = 1.0  # n of alpha f^n, f in MHz

    def at(self, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ESD, EAC and the one-way attenuation from the surface in dB/MHz, each (len(depth), len(lateral))."""
        axes = self.depth_mm, self.lateral_mm, depth_mm, lateral_mm
        return bilinear(self.esd_um, *axes), bilinear(self.eac_db, *axes), self.path_db_mhz(depth_mm, lateral_mm)

    def path_db_mhz(self, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
        """One-way attenuation from the surface, the integral of the local one, (len(depth), len(lateral)), dB/MHz."""
        step_cm = (self.depth_mm[1] - self.depth_mm[0]) / 10
        local = self.attenuation_db_cm_mhz
        path = step_cm * (np.cumsum(local, axis=0) - local / 2 - local[:1] / 2) + local[:1] * self.depth_mm[0] / 10
        return bilinear(path, self.depth_mm, self.lateral_mm, depth_mm, lateral_mm)

    def attenuation_on(self, plane: RFPlane) -> np.ndarray:
        """Local attenuation at every pixel of a plane, (n_samples, n_lines), dB/cm/MHz."""
        axes = self.depth_mm, self.lateral_mm, plane.depth_mm, plane.lateral_mm
        return bilinear(self.attenuation_db_cm_mhz, *axes)


def bilinear(
    field: np.ndarray, depth_mm: np.ndarray, lateral_mm: np.ndarray, to_depth_mm: np.ndarray, to_lateral_mm: np.ndarray
) -> np.ndarray:
    """A field (n_z, n_x) linearly interpolated at the crossings of two other axes; the edge value beyond the grid."""
    across = linear(np.asarray(field).T, lateral_mm, to_lateral_mm).T
    return linear(np.ascontiguousarray(across), depth_mm, to_depth_mm)


def linear(values: np.ndarray, axis: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Values (len(axis), n) on a regular axis linearly interpolated to other positions, (len(to), n)."""
    position = np.clip((np.asarray(to) - axis[0]) / (axis[1] - axis[0]), 0, len(axis) - 1)
    below = np.minimum(position.astype(int), len(axis) - 2)
    share = (position - below)[:, None].astype(values.dtype)
    low = values[below]
    return (values[below + 1] - low) * share + low


def patient_plane(patient: pd.Series, index: int, depth_mm: float) -> tuple[Tissue, np.ndarray]:
    """Tissue of one image plane and the outline (n_points, 2) of its core in lateral and depth mm.

    Planes lie 1 cm apart across an ellipsoid; the same patient and index always give the same plane.
    """
    rng = np.random.default_rng([int(patient["tissue_seed"]), index])
    outline_mm = draw_outline(patient, index, rng)
    z, x = np.arange(0, depth_mm + GRID_MM, GRID_MM), np.arange(0, WIDTH_MM + GRID_MM, GRID_MM)
    core = core_from_polygon(outline_mm, z, x)
    distance_mm = GRID_MM * (distance_transform_edt(~core) - distance_transform_edt(core))
    shares = region_shares(distance_mm)
    sd = {"core": patient["heterogeneity_db"], "margin": FIELD_SD["eac_db"], "background": FIELD_SD["eac_db"]}
    esd_um = blend(patient, "esd_um", shares, rng) + FIELD_SD["esd_um"] * smooth_field(core.shape, rng)
    eac_db = blend(patient, "eac_db", shares, rng)
    white = rng.standard_normal(core.shape)
    field = smooth(white)
    of_core = arranged(smooth(white, patient["core_correlation_mm"]), distance_mm, patient["core_arrangement"])
    eac_db += field * sum(shares[name] * sd[name] for name in shares) + shares["core"] * sd["core"] * (of_core - field)
    attenuation = sum(shares[name] * ATTENUATION_DB_CM_MHZ[name] for name in shares) * patient["attenuation_factor"]
    return Tissue(np.maximum(esd_um, 60.0), eac_db, attenuation, z, x), outline_mm


def draw_outline(patient: pd.Series, index: int, rng: np.random.Generator) -> np.ndarray:
    """Outline (n_points, 2) in lateral and depth mm: an irregular ellipse, with spicules where the patient has them.

    Spicules come from a random stream of their own, so that the rest of the plane is the same with and without.
    """
    outline_mm = round_outline(patient, index, rng)
    if not patient["spiculated"]:
        return outline_mm
    centre_mm = np.array([patient["centre_lateral_mm"], patient["centre_depth_mm"]])
    own = np.random.default_rng([int(patient["tissue_seed"]), index, 2])
    return centre_mm + with_spicules(outline_mm - centre_mm, own)


def with_spicules(outline_mm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The outline (360, 2) around the origin with narrow pointed spicules; one radius per angle keeps it simple."""
    own_angle = np.arctan2(*outline_mm.T[::-1]) % (2 * np.pi)
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    round_mm = np.interp(angle, own_angle, np.hypot(*outline_mm.T), period=2 * np.pi)
    fewest, most = SPICULES["number"]
    n_spicules = rng.integers(int(fewest), int(most), endpoint=True)
    tip = (np.arange(n_spicules) + rng.uniform(0.2, 0.8, n_spicules)) * 2 * np.pi / n_spicules
    at_tip_mm = np.interp(tip, angle, round_mm, period=2 * np.pi)
    length_mm = np.minimum(rng.uniform(*SPICULES["length_mm"], n_spicules), at_tip_mm)  # small outer planes
    half_base_mm = rng.uniform(*SPICULES["base_mm"], n_spicules) / 2
    away = np.abs((angle[:, None] - tip + np.pi) % (2 * np.pi) - np.pi) * at_tip_mm / half_base_mm
    radius_mm = round_mm + (length_mm * np.clip(1 - away, 0, None)).max(axis=1)
    return radius_mm[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def round_outline(patient: pd.Series, index: int, rng: np.random.Generator) -> np.ndarray:
    """Irregular ellipse (72, 2), mm, smaller in the outer planes."""
    n_planes = patient["n_planes"]
    offset = (index - (n_planes - 1) / 2) / (n_planes / 2 + 0.25)
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    order = np.arange(2, 7)
    waves = np.cos(order[:, None] * angle + rng.uniform(0, 2 * np.pi, (len(order), 1)))
    radius = np.sqrt(1 - offset**2) / 2 * (1 + (0.12 / order * rng.standard_normal(len(order))) @ waves)
    lateral = patient["centre_lateral_mm"] + patient["width_mm"] * radius * np.cos(angle)
    depth = patient["centre_depth_mm"] + patient["height_mm"] * radius * np.sin(angle)
    return np.column_stack([lateral, depth])


def region_shares(distance_mm: np.ndarray) -> dict[str, np.ndarray]:
    """Share of core, margin and background at a signed distance from the core's border; they sum to 1."""
    core = 1 / (1 + np.exp(np.clip(distance_mm / EDGE_MM, -50, 50)))
    within_margin = 1 / (1 + np.exp(np.clip((distance_mm - MARGIN_MM) / EDGE_MM, -50, 50)))
    return {"core": core, "margin": within_margin - core, "background": 1 - within_margin}


def blend(patient: pd.Series, name: str, shares: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A property over the plane: the patient's regional values plus this plane's deviation."""
    deviation = rng.normal(0, PLANE_SD[name], len(shares))
    return sum(
        share * (patient[f"{region}_{name}"] + d) for (region, share), d in zip(shares.items(), deviation, strict=True)
    )


def smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of mean 0 and SD 1."""
    return smooth(rng.standard_normal(shape))


def smooth(white: np.ndarray, correlation_mm: float = CORRELATION_MM) -> np.ndarray:
    """White noise (n_z, n_x) made smooth over a length, of mean 0 and SD 1."""
    field = gaussian_filter(white, correlation_mm / GRID_MM / np.sqrt(2), mode="wrap")
    return (field - field.mean()) / field.std()


def arranged(field: np.ndarray, distance_mm: np.ndarray, correlation: float) -> np.ndarray:
    """A field that correlates with nearness to the core's border; inside the core its mean and SD stay as they are.

    ``distance_mm`` is signed, negative inside the core.
    """
    inside = distance_mm < 0
    spread = max(distance_mm[inside].std(), 1e-9) if inside.any() else 1.0
    nearness = (np.minimum(distance_mm, 0) - distance_mm[inside].mean()) / spread if inside.any() else 0 * field
    return correlation * nearness + np.sqrt(1 - correlation**2) * field
