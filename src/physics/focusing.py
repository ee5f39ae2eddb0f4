"""Focusing at a wrong speed of sound: what the echoes of a phantom lose or gain where delays are made for another.

A scanner computes its delays for one speed, that of tissue. In a phantom with another speed its beams come to a focus
elsewhere or not quite, and speckle changes its level with depth and frequency, which no division by the phantom
takes out. Depth and aperture are in mm, frequency in MHz, speed in m/s, levels in dB.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from helpers.data.phantom import SOUND_SPEED_M_S, ReferencePhantom
from helpers.data.simulation import System, block_frequencies_mhz, simulate_phantom

BEAMFORMER_M_S = 1540.0
ACROSS_MM = np.linspace(0, 5, 81)  # half of the beam; the other one is its mirror image


@dataclass(frozen=True)
class Aperture:
    """Elements of a linear array and how many of them are used; nobody has published those of the paper's L14-5/60.

    The transmit aperture is as wide as its focus needs, the receive aperture grows with depth, both up to the array.
    """

    n_elements: int = 128
    pitch_mm: float = 60 / 128
    transmit_f_number: float = 3.0
    receive_f_number: float = 2.0

    def elements_mm(self, focus_mm: float, f_number: float) -> Float[np.ndarray, " n"]:
        """Lateral positions of the elements that are used for a focus, (n,)."""
        position = (np.arange(self.n_elements) - (self.n_elements - 1) / 2) * self.pitch_mm
        return position[np.abs(position) <= max(focus_mm / f_number / 2, self.pitch_mm)]


def one_way(
    elements_mm: Float[np.ndarray, " n"],
    focus_mm: float,
    depth_mm: float,
    frequency_mhz: Float[np.ndarray, " n_frequencies"],
    medium_m_s: float,
    beamformer_m_s: float,
) -> Float[np.ndarray, "n_frequencies n_across"]:
    """Intensity of a focused aperture's field across the beam at a depth, (n_frequencies, n_across), any unit.

    Huygens' sum over line sources in the image plane: each element's wave travels at the medium's speed and is
    delayed for the beamformer's. Received waves add up alike (reciprocity).
    """
    distance_mm = np.hypot(ACROSS_MM[:, None] - elements_mm, depth_mm)
    late_us = 1e3 * (distance_mm / medium_m_s - np.hypot(elements_mm, focus_mm) / beamformer_m_s)
    waves = np.exp(2j * np.pi * frequency_mhz[:, None, None] * late_us) / np.sqrt(distance_mm)
    return np.abs(waves.sum(axis=-1)) ** 2


def two_way(
    system: System,
    depth_mm: Float[np.ndarray, " n_z"],
    frequency_mhz: Float[np.ndarray, " n_frequencies"],
    medium_m_s: float = BEAMFORMER_M_S,
    aperture: Aperture = Aperture(),
) -> Float[np.ndarray, "n_z n_frequencies n_across"]:
    """Intensity of the beam on the way there and back, across it at every depth, (n_z, n_frequencies, n_across).

    ``depth_mm`` is the scanner's, half the travel time at the beamformer's speed; the echoes come from the depth that
    is as far away at the medium's. On receipt the scanner focuses at the depth that it believes in.
    """
    sent_from = aperture.elements_mm(system.focus_mm, aperture.transmit_f_number)
    beams = []
    for believed_mm in depth_mm:
        where = believed_mm * medium_m_s / BEAMFORMER_M_S, frequency_mhz, medium_m_s, BEAMFORMER_M_S
        heard_by = aperture.elements_mm(believed_mm, aperture.receive_f_number)
        beams.append(one_way(sent_from, system.focus_mm, *where) * one_way(heard_by, believed_mm, *where))
    return np.array(beams)


def mismatch_db(
    system: System,
    depth_mm: Float[np.ndarray, " n_z"],
    frequency_mhz: Float[np.ndarray, " n_frequencies"],
    medium_m_s: float = SOUND_SPEED_M_S,
    aperture: Aperture = Aperture(),
) -> Float[np.ndarray, "n_z n_frequencies"]:
    """By how much a medium's speckle stands above that of one with the beamformer's speed, (n_z, n_frequencies), dB."""
    beams = (two_way(system, depth_mm, frequency_mhz, speed, aperture) for speed in (medium_m_s, BEAMFORMER_M_S))
    here_db, there_db = (10 * np.log10(np.trapezoid(beam, ACROSS_MM, axis=-1)) for beam in beams)
    return here_db - there_db


def mismatched_phantom(
    system: System, n_frames: int, rng: np.random.Generator, aperture: Aperture = Aperture()
) -> ReferencePhantom:
    """The simulated phantom as a scanner hears it that is set to ``BEAMFORMER_M_S``."""
    depth_mm = np.maximum(system.depth_of_mm(system.block_samples), 1.0)  # nothing is focused on the array itself
    gain_db = mismatch_db(system, depth_mm, block_frequencies_mhz(system), aperture=aperture)
    return simulate_phantom(system, n_frames, rng, gain_db[:, None])
