# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import soundfile

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import from_int16, read_audio, require_sound, to_int16, write_pcm, write_wav


def test_stereo_at_another_rate_becomes_mono_at_16_khz(tmp_path):
    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, 0 * tone], axis=1), 44_100, subtype="PCM_24")
    audio = read_audio(tmp_path / "stereo.wav")
    assert (audio.source_rate_hz, audio.source_channels, audio.source_frames) == (44_100, 2, 44_100)
    assert audio.samples.shape == (16_000,)
    expected = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(audio.samples[800:-800], expected[800:-800], atol=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_khz_mono_is_read_as_it_is(tmp_path, suffix):
    pcm = np.random.default_rng(4).integers(-32768, 32768, 1000).astype(np.int16)
    soundfile.write(tmp_path / f"x.{suffix}", pcm, 16_000)
    np.testing.assert_array_equal(to_int16(read_audio(tmp_path / f"x.{suffix}").samples), pcm)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(BlshError, match="no audio file"):
        read_audio(tmp_path / "none.wav")


def test_a_name_too_long_is_refused(tmp_path):
    with pytest.raises(BlshError, match="no audio file"):
        read_audio(tmp_path / ("x" * 256))


def test_a_file_that_may_not_be_read_is_refused(tmp_path, locked):
    write_wav(tmp_path / "x.wav", np.ones(10))
    with locked(tmp_path / "x.wav"), pytest.raises(BlshError, match=r"cannot read .*x\.wav: Permission denied"):
        read_audio(tmp_path / "x.wav")


def test_samples_without_a_header_are_refused(tmp_path):
    (tmp_path / "x.raw").write_bytes(bytes(2000))
    with pytest.raises(BlshError, match=r"x\.raw is not audio .*samplerate must be specified"):
        read_audio(tmp_path / "x.raw")


def test_a_flac_file_without_its_length_is_read_to_its_end(tmp_path):
    write_pcm(tmp_path / "x.flac", np.ones(5000), "FLAC")
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[22:26] = bytes(4)  # the count of samples, which an encoder leaves at 0 until it closes the file
    (tmp_path / "x.flac").write_bytes(data)
    assert read_audio(tmp_path / "x.flac").samples.size == 5000


def test_text_renamed_wav_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("this is no audio\n" * 50)
    with pytest.raises(BlshError, match="not audio"):
        read_audio(tmp_path / "text.wav")


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(BlshError, match="not audio"):
        read_audio(tmp_path / "empty.wav")


def test_zero_length_recording_is_refused(tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(0), 16_000)
    with pytest.raises(BlshError, match="no samples"):
        read_audio(tmp_path / "zero.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, bad):
    soundfile.write(tmp_path / "bad.wav", np.array([0.0, bad, 0.0]), 16_000, subtype="FLOAT")
    with pytest.raises(BlshError, match=r"bad\.wav holds (nan|inf) at sample 1"):
        read_audio(tmp_path / "bad.wav")


def test_opposite_infinities_are_refused_and_not_averaged(tmp_path):
    data = np.zeros((5, 2))
    data[3] = np.inf, -np.inf
    soundfile.write(tmp_path / "bad.wav", data, 16_000, subtype="FLOAT")
    with np.errstate(all="raise"), pytest.raises(BlshError, match=r"bad\.wav holds inf at sample 3"):
        read_audio(tmp_path / "bad.wav")


def test_silence_is_read_but_has_no_level(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(2000), 16_000)
    audio = read_audio(tmp_path / "silent.wav")
    assert not audio.samples.any()
    with pytest.raises(BlshError, match=r"silent\.wav is silent"):
        require_sound(audio, tmp_path / "silent.wav")


def test_int16_rounds_half_up_and_saturates():
    x = np.array([0.5, 1.5, -0.5, -1.5, 40_000, -40_000]) / 32768
    assert to_int16(x).tolist() == [1, 2, 0, -1, 32767, -32768]
    assert from_int16(np.array([-32768, 16384], dtype=np.int16)).tolist() == [-1.0, 0.5]
    with pytest.raises(BlshError, match="expected int16"):
        from_int16(np.zeros(2))


def test_wav_is_written_from_float_and_int16_alike(tmp_path):
    pcm = np.array([0, 100, -100, 32767, -32768], dtype=np.int16)
    write_wav(tmp_path / "deep" / "a.wav", pcm)
    write_wav(tmp_path / "b.wav", from_int16(pcm))
    assert (tmp_path / "deep" / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    info = soundfile.info(tmp_path / "b.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")


@pytest.mark.parametrize("samples", [np.zeros(4, dtype=np.int32), np.zeros((2, 2)), np.array([np.nan])])
def test_a_refused_write_leaves_nothing(tmp_path, samples):
    with pytest.raises(BlshError):
        write_wav(tmp_path / "x.wav", samples)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("lacking", [1, 500, 15_000])
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path, small_disk, container, lacking):
    pcm = np.random.default_rng(4).integers(-3000, 3000, 20_000).astype(np.int16)
    write_pcm(tmp_path / "x", pcm, container)
    size = (tmp_path / "x").stat().st_size
    (tmp_path / "x").unlink()
    with small_disk(size - lacking), pytest.raises(BlshError, match=r"cannot write .*x: File too large; free some"):
        write_pcm(tmp_path / "x", pcm, container)
    assert list(tmp_path.iterdir()) == []
