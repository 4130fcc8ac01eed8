# SPDX-License-Identifier: Apache-2.0
"""Judge by each bar of quality whether a model meets it: against its peers, in noise, on clean speech, and by cost.

A model's figures come as the JSON values that `blsh evaluate --peers` writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from blsh_tools.bench.demand import Demand
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviours import BEHAVIOURS
from blsh_trainer.evaluation.generalisation import Generalisation
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import SNRS_DB

SCORES: Final = ("si_sdr_db", "pesq", "estoi")
NEEDED: Final = (*SCORES, *BEHAVIOURS)
"""The metrics of `blsh evaluate` that the bars judge."""

Figures = Mapping[str, Any]
"""The JSON values of one model."""

_MODEL = "model"
_RNNOISE, _NNSE, _GTCRN = "rnnoise-0.1.1", "nnse-no-dc-filter", "gtcrn-dns3"
_KIB = 1024
_MILLIONS = {"M4": 16.0, "M0": 31.0, "M55": 7.0}
_RAM, _FLASH = 12 * _KIB, 128 * _KIB
_SMALL_MILLIONS, _SMALL_FLASH = 12.0, 64 * _KIB
_ATTENUATION = (18.0, 25.0)
_DEVIATION, _KURTOSIS = (1.5, 1.0), (22.0, 12.0)
_CLEAN = {"si_sdr_db": (20.0, 25.0), "pesq": (4.0, 4.25), "estoi": (0.97, 0.985), "level_db": (-0.3, -0.3)}
_START, _GAP = -0.5, 3.9
_STEADY = ("white_60_s", "fan_60_s")
_WHITE, _SPEECH, _STARTS = "white", "speech", ("in_noise", "clean")


def quality_bars(
    big: Figures, small: Figures | None, before: Figures | None, spread: Generalisation | None
) -> list[Demand]:
    """Return every bar.

    big, small: the models to judge; without a small one its bar is not measured. before: the figures of an older model,
    which the small one has to beat. spread: of the big model, None where it was not measured. BlshError for figures
    that lack a metric or an SNR.
    """
    return [
        _above(big, "si_sdr_db", (_NNSE, _RNNOISE), _GTCRN, (0.0,)),
        _above(big, "estoi", (_RNNOISE,), _NNSE),
        _above(big, "pesq", (_RNNOISE,), _NNSE),
        _cost(big),
        _small(small, before),
        _attenuation(big),
        _residual(big),
        _clean(big),
        _start(big),
        _generalisation(spread),
    ]


# ---- against the peers -------------------------------------------------------------------------------------------


def _above(
    found: Figures, metric: str, rivals: Sequence[str], hard: str, hard_snrs: Sequence[float] = SNRS_DB
) -> Demand:
    """Return the bar that the mean of the paired differences to each of `rivals` is above 0 at each SNR.

    The stretch is the same for `hard`, at the SNRs `hard_snrs`.
    """
    notation = METRICS[metric].shown
    at = {name: [_against(found, name, metric, snr_db) for snr_db in SNRS_DB] for name in (*rivals, hard)}
    told = [" / ".join(notation.figure(each["ours"]) for each in at[hard])]
    told += [f"less {name}: {' / '.join(_paired(each, metric) for each in rows)}" for name, rows in at.items()]
    reached = [each["difference"] > 0 for each in at[hard] if each["snr_db"] in hard_snrs]
    where = "" if len(hard_snrs) == len(SNRS_DB) else f" at {', '.join(f'{snr:g}' for snr in hard_snrs)} dB"
    return Demand(
        f"{notation.title} at {' / '.join(f'{snr:g}' for snr in SNRS_DB)} dB",
        f"above {' and '.join(rivals)} at each",
        f"above {hard}{where}",
        "; ".join(told),
        all(each["difference"] > 0 for name in rivals for each in at[name]),
        all(reached),
        {"against": [each for rows in at.values() for each in rows]},
    )


def _against(found: Figures, peer: str, metric: str, snr_db: float) -> Mapping[str, Any]:
    for each in found.get("peers", ()):
        if (each["peer"], each["metric"], each["snr_db"]) == (peer, metric, snr_db):
            row: Mapping[str, Any] = each
            return row
    raise _lacking(f"{metric} beside {peer} at {snr_db:g} dB")


def _paired(each: Mapping[str, Any], metric: str) -> str:
    notation = METRICS[metric].shown
    return notation.estimate(each["difference"], each["low"], each["high"], "+")


# ---- cost and size -----------------------------------------------------------------------------------------------


def _cost(found: Figures) -> Demand:
    of = found["costs"]
    met = all(of["millions"][core] <= most for core, most in _MILLIONS.items())
    return Demand(
        "cost of that model",
        f"{', '.join(f'{most:g} M instr/s on {core}' for core, most in _MILLIONS.items())}; "
        f"{_RAM // _KIB} KiB of RAM; {_FLASH // _KIB} KiB of flash",
        f"{_SMALL_MILLIONS:g} M on M4, {_SMALL_FLASH // _KIB} KiB",
        _costs(of),
        met and of["ram_bytes"] <= _RAM and of["flash_bytes"] <= _FLASH,
        of["millions"]["M4"] <= _SMALL_MILLIONS and of["flash_bytes"] <= _SMALL_FLASH,
        dict(of),
    )


def _costs(of: Mapping[str, Any]) -> str:
    millions = ", ".join(f"{of['millions'][core]:.1f} on {core}" for core in _MILLIONS)
    return f"{millions}, {of['source']}; RAM {of['ram_bytes'] / _KIB:.1f} KiB, flash {of['flash_bytes'] / _KIB:.1f} KiB"


def _small(small: Figures | None, before: Figures | None) -> Demand:
    what = f"small model, {_SMALL_FLASH // _KIB} KiB, at most {_SMALL_MILLIONS:g} M/s on M4"
    asked = "every figure of the model before beaten"
    if small is None or before is None:
        option = "--small" if small is None else "--before"
        return Demand(what, asked, "", f"not measured: give {option}", None)
    pairs = [(name, ours, theirs) for (name, ours), (_, theirs) in zip(_all(small), _all(before), strict=True)]
    lost = [f"{name} {ours:.3f}, before {theirs:.3f}" for name, ours, theirs in pairs if not ours > theirs]
    of = small["costs"]
    fits = of["millions"]["M4"] <= _SMALL_MILLIONS and of["flash_bytes"] <= _SMALL_FLASH
    told = f"{_costs(of)}; {len(pairs) - len(lost)} of {len(pairs)} figures beaten"
    told += f", not: {'; '.join(lost)}" if lost else ""
    figures = {"costs": dict(of), "figures": {name: {"ours": o, "before": t} for name, o, t in pairs}}
    return Demand(what, asked, "", told, fits and not lost, None, figures)


def _all(found: Figures) -> Iterator[tuple[str, float]]:
    """Yield each figure that a small model has to beat, by name; the higher is the better one."""
    for metric in SCORES:
        for snr_db in SNRS_DB:
            yield f"{METRICS[metric].shown.title} at {snr_db:g} dB", _mean(found, metric, snr_db)
    for noise in _STEADY:
        yield f"attenuation of {noise}", _behaved(found, "steadiness", noise, "attenuation_from_2_s_db")
    for noise in _STEADY:
        yield f"less level deviation in {noise}", -_behaved(found, "steadiness", noise, "level_deviation_db")
    yield "less power kurtosis in white noise", -_behaved(found, "steadiness", _WHITE, "power_kurtosis")
    for name in _CLEAN:
        yield f"clean speech: {name}", _behaved(found, "clean", _SPEECH, name)
    for case in _STARTS:
        yield f"start, {case}", _behaved(found, "start", case, "first_over_settled_db")


def _mean(found: Figures, metric: str, snr_db: float) -> float:
    for each in found.get("summary", ()):
        if (each["system"], each["metric"], each["snr_db"]) == (_MODEL, metric, snr_db):
            return float(each["mean"])
    raise _lacking(f"{metric} at {snr_db:g} dB")


# ---- behaviour ---------------------------------------------------------------------------------------------------


def _behaved(found: Figures, behaviour: str, group: str, figure: str) -> float:
    for each in found.get("behaviours", {}).get("means", ()):
        if (each["behaviour"], each["group"], each["figure"]) == (behaviour, group, figure):
            return float("nan") if each["mean"] is None else float(each["mean"])
    raise _lacking(f"{figure} of {group}")


def _lacking(what: str) -> BlshError:
    wanted = f"blsh evaluate MODEL CORPUS --peers --metrics {','.join(NEEDED)} -o FILE"
    return BlshError(f"the figures lack {what}; make them with: {wanted}")


def _attenuation(found: Figures) -> Demand:
    of = {name: _behaved(found, "steadiness", name, "attenuation_from_2_s_db") for name in _STEADY}
    least = min(of.values())
    told = ", ".join(f"{name} {value:.1f}" for name, value in of.items())
    return Demand(
        "steady noise of 60 s: attenuation after 2 s",
        f"at least {_ATTENUATION[0]:g} dB",
        f"{_ATTENUATION[1]:g} dB",
        f"{told} dB",
        least >= _ATTENUATION[0],
        least >= _ATTENUATION[1],
        of,
    )


def _residual(found: Figures) -> Demand:
    of = {name: _behaved(found, "steadiness", name, "level_deviation_db") for name in (_WHITE, *_STEADY)}
    kurtosis = _behaved(found, "steadiness", _WHITE, "power_kurtosis")
    told = ", ".join(f"{name} {value:.2f}" for name, value in of.items())
    most = max(of.values())
    return Demand(
        "its residual: level deviation, power kurtosis in white noise",
        f"at most {_DEVIATION[0]:g} dB, at most {_KURTOSIS[0]:g}",
        f"{_DEVIATION[1]:.1f} dB, {_KURTOSIS[1]:g}",
        f"{told} dB; kurtosis {kurtosis:.1f}",
        most <= _DEVIATION[0] and kurtosis <= _KURTOSIS[0],
        most <= _DEVIATION[1] and kurtosis <= _KURTOSIS[1],
        {"level_deviation_db": of, "power_kurtosis": kurtosis},
    )


def _clean(found: Figures) -> Demand:
    of = {name: _behaved(found, "clean", _SPEECH, name) for name in _CLEAN}
    shown = BEHAVIOURS["clean"].shown
    return Demand(
        "clean speech in: SI-SDR, PESQ, ESTOI, level",
        "at least " + ", ".join(shown[name].figure(least) for name, (least, _) in _CLEAN.items()),
        ", ".join(shown[name].figure(least) for name, (_, least) in _CLEAN.items() if name != "level_db"),
        ", ".join(shown[name].figure(value) for name, value in of.items()),
        all(of[name] >= least for name, (least, _) in _CLEAN.items()),
        all(of[name] >= least for name, (_, least) in _CLEAN.items()),
        of,
    )


def _start(found: Figures) -> Demand:
    of = {case: _behaved(found, "start", case, "first_over_settled_db") for case in _STARTS}
    told = ", ".join(f"{case} {value:+.2f}" for case, value in of.items())
    asked = f"at most {-_START:g} dB below the settled gain"
    return Demand("first second of a cold start", asked, "", f"{told} dB", min(of.values()) >= _START, None, of)


def _generalisation(found: Generalisation | None) -> Demand:
    what = "generalisation: `valid` of heard types less `valid` of unheard types, SI-SDR gain at 0 dB"
    asked = f"shown, and smaller than {_GAP:g} dB"
    if found is None:
        return Demand(
            what, asked, "", "not measured: give --extra, a corpus with unheard types in its valid split", None
        )
    told = ", ".join(
        f"{name} {each.mean:+.2f} ({each.low:.2f} to {each.high:.2f})"
        for name, each in (("heard", found.heard), ("unheard", found.unheard))
    )
    figures = {
        "heard": {**found.heard.to_dict(), "types": list(found.heard_types)},
        "unheard": {**found.unheard.to_dict(), "types": list(found.unheard_types)},
        "gap_db": found.gap_db,
    }
    return Demand(what, asked, "", f"{found.gap_db:+.2f} dB: {told}", found.gap_db < _GAP, None, figures)
