# SPDX-License-Identifier: Apache-2.0
"""The comparison with the peers in README and docs/results/peers.md is what docs/results/voting.json says."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import SNRS_DB, load_peer_scores

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
RESULT = json.loads((RESULTS / "voting.json").read_text())
OTHERS = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in ("extended", "voting-small")}
"""Scores of other systems on the same mixtures; RESULT is of the voting system."""
OURS = "**ours, voting: 96 projections, 99 KB of flash**"
OURS_SMALL = "ours, voting: 44 projections, 61 KB of flash"
OURS_EXTENDED = "ours, extended: 64 bits, 4 096 entries, 154 KB of flash"
IN_README = {
    "mixture": "mixture",
    OURS: "model",
    OURS_SMALL: "voting-small",
    OURS_EXTENDED: "extended",
    "SpeexDSP, fixed point": "speexdsp-30dB",
    "WebRTC NSX, fixed point": "webrtc-nsx-medium",
    "RNNoise 0.1.1": "rnnoise-0.1.1",
    "NNSE, int8 LSTM": "nnse-no-dc-filter",
    "GTCRN, floats": "gtcrn-dns3",
}
PEERS = list(dict.fromkeys(each["peer"] for each in RESULT["peers"]))


def rounded(value: float, metric: str, sign: str = "") -> str:
    return METRICS[metric].shown.figure(value, sign)


def levels(system: str, metric: str) -> str:
    """Return a system's means at each SNR, `-` where it was not scored."""
    if system in ("mixture", "model", *OTHERS):
        result, ours = (OTHERS[system], "model") if system in OTHERS else (RESULT, system)
        of = {s["snr_db"]: s["mean"] for s in result["summary"] if (s["system"], s["metric"]) == (ours, metric)}
    else:
        of = {
            each["snr_db"]: each["theirs"]
            for each in RESULT["peers"]
            if (each["peer"], each["metric"]) == (system, metric)
        }
    return " / ".join(rounded(of[snr], metric) if snr in of else "-" for snr in SNRS_DB)


def difference(system: str, metric: str, snr_db: float) -> str:
    """Return ours less theirs with its interval, `-` where they were not scored."""
    wanted = (system, metric, snr_db)
    of = next((e for e in RESULT["peers"] if (e["peer"], e["metric"], e["snr_db"]) == wanted), None)
    if of is None:
        return "-"
    low, high = (rounded(of[end], metric) for end in ("low", "high"))
    return f"{rounded(of['difference'], metric, '+')} ({low} to {high})"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_the_result_is_of_all_mixtures_by_the_integers_of_the_firmware() -> None:
    assert RESULT["mixtures"]["protocol"] == "peers" and RESULT["mixtures"]["mixtures"] == 60
    assert RESULT["engine"] == "fixed" and tuple(RESULT["mixtures"]["snrs_db"]) == SNRS_DB
    for each in RESULT["peers"]:
        theirs = [
            s.figures[each["metric"]]
            for s in load_peer_scores()
            if (s.system, s.snr_db) == (each["peer"], each["snr_db"])
        ]
        assert each["theirs"] == pytest.approx(np.nanmean(theirs)), each


@pytest.mark.parametrize("name", IN_README)
def test_readme_says_what_was_measured(name: str) -> None:
    system = IN_README[name]
    lines = [cells(line) for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| {name} |")]
    expected = [levels(system, "si_sdr_db"), levels(system, "estoi")]
    expected += [difference(system, m, 0.0) if system in PEERS else "" for m in ("si_sdr_db", "pesq", "estoi")]
    assert [[cell.replace("*", "") for cell in line[1:6]] for line in lines] == [expected], "| ".join(expected)


@pytest.mark.parametrize(
    ("peer", "metrics", "from_db", "leads"),
    [
        ("speexdsp-30dB", ("si_sdr_db", "pesq", "estoi"), -5, True),
        ("rnnoise-0.1.1", ("si_sdr_db", "pesq", "estoi"), -5, True),
        ("nnse-no-dc-filter", ("estoi",), -5, True),
        ("nnse-no-dc-filter", ("si_sdr_db",), 0, True),
        ("nnse-no-dc-filter", ("pesq",), 5, True),
        ("gtcrn-dns3", ("pesq", "estoi"), -5, False),
    ],
)
def test_who_leads_is_shown_by_the_intervals(peer: str, metrics: tuple[str, ...], from_db: float, leads: bool) -> None:
    of = [e for e in RESULT["peers"] if e["peer"] == peer and e["metric"] in metrics and e["snr_db"] >= from_db]
    assert len(of) == len(metrics) * sum(snr >= from_db for snr in SNRS_DB)
    for each in of:
        assert each["low"] > 0 if leads else each["high"] < 0, each


def test_where_no_lead_over_gtcrn_is_shown() -> None:
    of = {e["snr_db"]: e for e in RESULT["peers"] if (e["peer"], e["metric"]) == ("gtcrn-dns3", "si_sdr_db")}
    assert of[-5]["high"] < 0 and all(of[snr]["low"] < 0 < of[snr]["high"] for snr in (0, 5, 10))


def test_readme_says_how_quiet_and_how_careful_ours_is() -> None:
    means = {(e["group"], e["figure"]): e["mean"] for e in RESULT["behaviours"]["means"]}
    text = " ".join((ROOT / "README.md").read_text().split())
    quieter, kept = means["fan_60_s", "attenuation_from_2_s_db"], means["speech", "si_sdr_db"]
    assert f"In a fan's noise the output is {quieter:.0f} dB quieter; speech that is clean already keeps" in text
    assert f"keeps an SI-SDR of {kept:.0f} dB" in text


def test_readme_says_how_near_a_dense_network_comes() -> None:
    found = json.loads((RESULTS / "dense.json").read_text())["data"]
    text = " ".join((ROOT / "README.md").read_text().split())
    apart = {m: max(abs(e["mean"]) for e in found["against_lookup"] if e["metric"] == m) for m in ("si_sdr_db", "pesq")}
    assert f"A dense network of {found['network']['width']} units" in text
    assert f"within {apart['si_sdr_db']:.2f} dB of SI-SDR and {apart['pesq']:.2f} of PESQ" in text
    less = found["lookup_costs"]["flash_bytes"] - found["costs"]["flash_bytes"]
    assert f"takes {less / 1000:.0f} KB less flash" in text
    assert found["costs"]["millions"]["M0"] > found["lookup_costs"]["millions_per_second"]["M0"]


def test_readme_says_what_ours_costs() -> None:
    rows = json.loads((RESULTS / "bench-firmware.json").read_text())["rows"]
    extended = {row["board"]: row for row in rows if row["case"] == "extended"}
    on_m4, on_m0 = (extended[board]["instructions"]["millions_per_second"] for board in ("mps2-an386", "microbit"))
    sizes, ram = extended["mps2-an386"]["flash"], extended["mps2-an386"]["ram"]
    hop_bytes = 512
    flash_kb = (sizes["code"] + sizes["tables"]) / 1000
    ram_kb = (ram["state"] + ram["stack_computed"] + hop_bytes) / 1000
    assert OURS_EXTENDED.endswith(f"{flash_kb:.0f} KB of flash")
    assert costs_in_readme(OURS_EXTENDED) == [f"{on_m4:.1f}, {on_m0:.1f}", f"{ram_kb:.0f} KB"]


@pytest.mark.parametrize("name", [OURS, OURS_SMALL])
def test_readme_says_what_the_voting_system_costs(name: str) -> None:
    costs = (RESULT if name == OURS else OTHERS["voting-small"])["costs"]
    plain = name.replace("*", "")
    assert plain.endswith(f"{costs['flash_bytes'] / 1000:.0f} KB of flash")
    million, ram = costs["millions"], costs["ram_bytes"] / 1000
    found = [cell.replace("*", "") for cell in costs_in_readme(name)]
    assert found == [f"{million['M4']:.1f}, {million['M0']:.1f}", f"{ram:.0f} KB"]


def costs_in_readme(name: str) -> list[str]:
    lines = (ROOT / "README.md").read_text().splitlines()
    (line,) = (cells(line) for line in lines if line.startswith(f"| {name} |"))
    return line[6:8]


def test_the_page_says_what_was_measured() -> None:
    text = (RESULTS / "peers.md").read_text()
    rows = [cells(line) for line in text.splitlines() if re.match(r"\| [a-z0-9.A-Z-]+ \| -?\d+ \|", line)]
    metrics = ("sdr_db", "si_sdr_db", "pesq", "estoi")
    expected = [
        [peer, f"{snr:g}", *(difference(peer, metric, snr) for metric in metrics)]
        for peer in PEERS
        for snr in SNRS_DB
        if any((e["peer"], e["snr_db"]) == (peer, snr) for e in RESULT["peers"])
    ]
    assert rows == expected, "\n".join(f"| {' | '.join(row)} |" for row in expected)
