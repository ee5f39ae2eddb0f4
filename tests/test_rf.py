"""RF planes and the Ultrasonix format, against the format's own layout."""

import numpy as np
import pytest

from helpers.data.rf import RFPlane, b_mode_db, read_rf, write_rf


@pytest.fixture
def frames(rng):
    return [RFPlane(rng.integers(-500, 500, (120, 7)).astype(np.int16), 40e6, 0.3) for _ in range(3)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_file_written_and_read_gives_the_same_samples(tmp_path, frames):
    read = read_rf(write_rf(tmp_path / "a.rf", frames), line_pitch_mm=0.3)
    assert len(read) == 3
    for before, after in zip(frames, read, strict=True):
        np.testing.assert_array_equal(before.samples, after.samples)
        assert after.sampling_rate_hz == 40e6


def test_layout_of_the_file_is_header_then_lines_one_after_the_other(tmp_path, frames):
    data = write_rf(tmp_path / "a.rf", frames[:1]).read_bytes()
    header = np.frombuffer(data, "<i4", 19)
    assert header[[0, 1, 2, 3, 4]].tolist() == [16, 1, 7, 120, 16]  # type, frames, lines, samples, bits
    np.testing.assert_array_equal(np.frombuffer(data, "<i2", 120, offset=76), frames[0].samples[:, 0])


def test_one_microsecond_at_1540_m_s_is_0_77_mm():
    plane = RFPlane(np.zeros((41, 1)), sampling_rate_hz=40e6, line_pitch_mm=1.0)
    assert plane.depth_mm[40] == pytest.approx(0.77)


def test_lines_lie_side_by_side_each_in_the_middle_of_its_share_of_the_plane():
    plane = RFPlane(np.zeros((10, 4)), sampling_rate_hz=40e6, line_pitch_mm=0.3)
    left, right, bottom, top = plane.extent_mm
    assert (left, right, top) == (0, pytest.approx(1.2), 0)
    assert bottom == pytest.approx(10 * 1540e3 / 80e6)
    np.testing.assert_allclose(plane.lateral_mm, [0.15, 0.45, 0.75, 1.05])


@pytest.mark.parametrize(
    ("position", "value", "message"), [(0, 7, "type = 7"), (4, 8, "ss = 8"), (1, 5, "do not match")]
)
def test_a_header_that_lies_is_refused_by_field(tmp_path, frames, position, value, message):
    path = write_rf(tmp_path / "a.rf", frames)
    data = bytearray(path.read_bytes())
    data[4 * position : 4 * position + 4] = int(value).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_rf(path, 0.3)


def test_a_file_shorter_than_its_header_is_refused(tmp_path):
    (tmp_path / "a.rf").write_bytes(b"short")
    with pytest.raises(ValueError, match="5 bytes"):
        read_rf(tmp_path / "a.rf", 0.3)


def test_saturated_samples_are_counted(tmp_path, frames):
    frames[1].samples[3:5, 2] = -32768, 32767
    n = frames[1].samples.size
    with pytest.warns(UserWarning, match=f"a.rf, frame 1: 2 of {n} samples are saturated") as warned:
        read_rf(write_rf(tmp_path / "a.rf", frames), 0.3)
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=f"RF plane: 2 of {n} samples"):
        RFPlane(frames[1].samples, 40e6, 0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": np.zeros(5)}, "expected \\(n_samples, n_lines\\)"),
        ({"samples": np.array([[np.nan, 1.0]])}, "1 NaN or infinite"),
        ({"line_pitch_mm": 0.0}, "line_pitch_mm = 0.0"),
        ({"sampling_rate_hz": -1.0}, "sampling_rate_hz = -1.0"),
    ],
)
def test_what_cannot_be_a_plane_is_refused(change, message):
    good = {"samples": np.zeros((5, 2)), "sampling_rate_hz": 40e6, "line_pitch_mm": 0.2}
    with pytest.raises(ValueError, match=message):
        RFPlane(**(good | change))


def test_b_mode_of_a_steady_tone_is_flat_and_halving_it_costs_6_db():
    tone = np.sin(2 * np.pi * 5e6 * np.arange(800) / 40e6)[:, None]
    level = b_mode_db(RFPlane(np.hstack([tone, tone / 2]), 40e6, 0.2))
    assert np.ptp(level[100:-100, 0]) < 0.1
    assert np.median(level[:, 0] - level[:, 1]) == pytest.approx(6.02, abs=0.01)
