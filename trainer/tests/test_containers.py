# SPDX-License-Identifier: Apache-2.0
"""Headers that promise more than is there, leave the length open or ask for what cannot be."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import audio_blocks, measure_level, probe_audio, read_audio, read_cut
from blsh_trainer.signals.sound_file import FASTEST_HZ, SLOWEST_HZ

pytestmark = pytest.mark.heavy

SAMPLES = 16_000
FORMS = [
    (container, subtype, "FILE")
    for container, subtypes in {
        "WAV": "PCM_16 PCM_24 FLOAT DOUBLE ULAW MS_ADPCM GSM610",
        "WAVEX": "PCM_16 FLOAT",
        "RF64": "PCM_16 DOUBLE",
        "W64": "PCM_16 FLOAT IMA_ADPCM",
        "AIFF": "PCM_16 FLOAT GSM610",
        "AU": "PCM_16 DOUBLE",
        "CAF": "PCM_16 FLOAT ALAC_16",
        "SVX": "PCM_16",
        "NIST": "PCM_16 ULAW",
        "AVR": "PCM_16",
        "MPC2K": "PCM_16",
        "VOC": "PCM_16",
        "MAT4": "FLOAT PCM_16",
        "MAT5": "FLOAT DOUBLE",
        "SDS": "PCM_16 PCM_24",
        "WVE": "ALAW",
    }.items()
    for subtype in subtypes.split()
]
FORMS += [(container, "PCM_16", "BIG") for container in ("WAV", "NIST", "MAT4", "MAT5")] + [("AU", "PCM_16", "LITTLE")]


def encoded(container, subtype, samples=SAMPLES, endian="FILE"):
    content = io.BytesIO()
    rate = 8000 if container == "WVE" else 16_000
    sound = 0.3 * np.sin(np.arange(samples) / 7)
    soundfile.write(content, sound, rate, format=container, subtype=subtype, endian=endian)
    return content.getvalue()


def put(data, at, form, *numbers):
    """Return the bytes `data` with `numbers` at `at`."""
    new = struct.pack(form, *numbers)
    return data[:at] + new + data[at + len(new) :]


@pytest.fixture
def file(tmp_path):
    """Write bytes to a file and return its path."""

    def write(data, name="x.bin"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.mark.parametrize(("container", "subtype", "endian"), FORMS)
def test_a_container_cut_short_is_refused_or_told(file, container, subtype, endian):
    data = encoded(container, subtype, endian=endian)
    whole = file(data)
    assert probe_audio(whole).shortfall == "" and read_audio(whole).samples.any()
    cut = file(data[: len(data) * 3 // 5])
    for read in (probe_audio, read_audio, measure_level, lambda path: read_cut(path, 0, 10)):
        with pytest.raises(BlshError, match=r"x\.bin is cut short: its header promises \d+ bytes of samples, \d+ are"):
            read(cut)
    assert probe_audio(cut, whole=False).shortfall
    there = sum(len(block) for block in audio_blocks(cut, whole=False))
    assert 0.45 * SAMPLES < there < 0.7 * SAMPLES or container == "SDS"  # where libsndfile puts zeros


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lacking", [1, 3000, 20_000])
def test_an_ogg_file_cut_short_is_refused(file, subtype, lacking, rng):
    content = io.BytesIO()
    soundfile.write(content, 0.1 * rng.standard_normal(200_000), 16_000, format="OGG", subtype=subtype)
    data = content.getvalue()
    assert read_audio(file(data)).samples.size == 200_000
    with pytest.raises(BlshError, match=r"x\.bin is cut short: its last page (promises \d+ bytes|is not marked)"):
        probe_audio(file(data[:-lacking]))
    level = measure_level(file(data[:-lacking]), whole=False)
    assert 50_000 < level.frames < 200_000


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("MP3", "MPEG_LAYER_III")])
def test_a_compressed_file_cut_short_is_read_as_far_as_it_goes(file, container, subtype, rng, capfd):
    content = io.BytesIO()
    soundfile.write(content, 0.1 * rng.standard_normal(60_000), 16_000, format=container, subtype=subtype)
    data = content.getvalue()
    whole = np.concatenate(list(audio_blocks(file(data))))
    cut = file(data[: len(data) // 2])
    with pytest.raises(BlshError, match=rf"x\.bin ends after \d+ frames, its header promises {len(whole)}; restore"):
        read_audio(cut)
    there = np.concatenate(list(audio_blocks(cut, whole=False)))
    assert 20_000 < len(there) < 40_000
    assert np.array_equal(there[:20_000], whole[:20_000])
    capfd.readouterr()  # libmpg123 has its own words


def test_a_flac_file_damaged_in_the_middle_is_refused_and_not_taken_for_cut(file, rng):
    content = io.BytesIO()
    soundfile.write(content, 0.1 * rng.standard_normal(60_000), 16_000, format="FLAC")
    data = bytearray(content.getvalue())
    data[len(data) // 2] ^= 1
    with pytest.raises(BlshError, match=r"x\.bin is damaged behind sample \d+; restore the recording"):
        list(audio_blocks(file(bytes(data)), whole=False))


def test_a_damaged_count_of_a_flac_file_costs_no_memory(file):
    data = encoded("FLAC", "PCM_16")
    data = put(data, 21, ">BI", data[21] | 0x0F, 0xFFFFFFF0)
    tracemalloc.start()
    try:
        with pytest.raises(BlshError, match=r"ends after 16000 frames, its header promises 68719476720; restore"):
            read_audio(file(data))
        assert measure_level(file(data), whole=False).frames == SAMPLES
        with pytest.raises(BlshError, match=r"x\.bin ends (before sample 90000|after \d+ frames)"):
            read_cut(file(data), 90_000, 10)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def chunk_size(data, name, field=4):
    return data.index(name) + field


WAV, AU, CAF, AIFF = (encoded(name, "PCM_16") for name in ("WAV", "AU", "CAF", "AIFF"))
W64, RF64, FLAC, RIFX = (
    *(encoded(n, "PCM_16") for n in ("W64", "RF64", "FLAC")),
    encoded("WAV", "PCM_16", endian="BIG"),
)
OPEN = {
    "WAV 0": put(WAV, 40, "<I", 0),
    "WAV 0, RIFF 0": put(put(WAV, 40, "<I", 0), 4, "<I", 0),
    "WAV -1": put(WAV, 40, "<I", 0xFFFFFFFF),
    "WAV -1 less the header": put(WAV, 40, "<I", 0xFFFFFFFF - 36),
    "WAV 2 GiB": put(WAV, 40, "<I", 0x80000000),
    "WAV of mplayer": put(WAV, 40, "<I", 0x7FFFF000),
    "WAV float 0": put(encoded("WAV", "FLOAT"), encoded("WAV", "FLOAT").index(b"data") + 4, "<I", 0),
    "RIFX 0": put(RIFX, 40, ">I", 0),
    "AU 0": put(AU, 8, ">I", 0),
    "AU -1": put(AU, 8, ">I", 0xFFFFFFFF),
    "CAF -1": put(CAF, chunk_size(CAF, b"data"), ">q", -1),
    "CAF 0": put(CAF, chunk_size(CAF, b"data"), ">q", 0),
    "AIFF 0": put(AIFF, chunk_size(AIFF, b"SSND"), ">I", 0),
    "AIFF 8": put(AIFF, chunk_size(AIFF, b"SSND"), ">I", 8),
    "AIFF of sox": put(AIFF, chunk_size(AIFF, b"SSND"), ">I", 0x7F000008),
    "W64 0": put(W64, chunk_size(W64, b"data", 16), "<Q", 0),
    "W64 -1": put(W64, chunk_size(W64, b"data", 16), "<q", -1),
    "RF64 0": put(RF64, chunk_size(RF64, b"ds64", 16), "<Q", 0),
    "RF64 -1": put(RF64, chunk_size(RF64, b"ds64", 16), "<q", -1),
    "FLAC 0": put(FLAC, 21, ">BI", FLAC[21] & 0xF0, 0),
}


@pytest.mark.parametrize("case", OPEN)
def test_a_length_that_is_left_open_is_that_of_the_file(file, case):
    expected = read_audio(file(encoded(case.split()[0], "PCM_16") if "RIFX" not in case else RIFX)).samples
    path = file(OPEN[case])
    shape = probe_audio(path)
    assert (shape.frames, shape.open_ended, shape.shortfall) == (SAMPLES, True, "")
    np.testing.assert_allclose(read_audio(path).samples, expected, atol=2**-15)
    np.testing.assert_allclose(read_cut(path, 100, 50), expected[100:150], atol=2**-15)


@pytest.mark.parametrize("tail", [b"", b"LIST\x04\0\0\0INFO"])
def test_an_empty_recording_is_not_taken_for_a_stream(file, tail):
    with pytest.raises(BlshError, match=r"x\.bin has no samples"):
        probe_audio(file(put(WAV, 40, "<I", 0)[:44] + tail))


def test_what_follows_the_samples_is_no_shortfall(file):
    shape = probe_audio(file(WAV + b"LIST\xff\0\0\0INFO"))  # cut within the words at the end
    assert (shape.frames, shape.open_ended, shape.shortfall) == (SAMPLES, False, "")


RATES = [(0, "0"), (1, "1"), (999, "999"), (1_000_001, "1000001"), (4_000_000_000, "4000000000")]


@pytest.mark.parametrize(("rate", "named"), RATES)
@pytest.mark.parametrize(("data", "at", "form"), [(WAV, 24, "<I"), (RIFX, 24, ">I"), (AU, 16, ">I")])
def test_a_rate_that_cannot_be_is_refused_at_once(file, data, at, form, rate, named):
    expected = f"the header of .*x.bin gives a rate of {named} Hz; {SLOWEST_HZ} to {FASTEST_HZ} Hz can be read"
    with pytest.raises(BlshError, match=expected):
        probe_audio(file(put(data, at, form, rate)))


def test_a_rate_that_only_libsndfile_finds_is_refused_too(file):
    content = io.BytesIO()
    soundfile.write(content, np.ones(100) / 2, 50, format="FLAC")
    with pytest.raises(BlshError, match=r"the header of .*x\.bin gives a rate of 50 Hz"):
        probe_audio(file(content.getvalue()))


def test_a_thousand_channels_need_no_more_memory_than_one(file):
    content = io.BytesIO()
    soundfile.write(content, np.full((2000, 1000), 0.25), 16_000, format="WAV", subtype="PCM_16")
    path = file(content.getvalue())
    tracemalloc.start()
    try:
        assert np.array_equal(read_audio(path).samples, np.full(2000, 0.25))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (put(WAV, 22, "<H", 0), "its header gives 0 channels"),
        (WAV + WAV[36:], "it has two chunks of samples, where one is allowed"),
        (WAV[:30], "x.bin is not audio that can be read"),
        (bytes(1 << 20), "Format not recognised"),
        (b"RIFF\0\0\0\0WAVE" + bytes(1 << 20), "x.bin is not audio that can be read"),
    ],
    ids=["no channels", "two chunks", "half a header", "zeros", "empty chunks"],
)
def test_a_damaged_header_is_told_in_plain_words(file, data, expected):
    with pytest.raises(BlshError, match=expected) as refused:
        probe_audio(file(data))
    assert "SF_INFO" not in str(refused.value) and "Internal error" not in str(refused.value)
