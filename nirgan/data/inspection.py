"""Checks a data set before training: unreadable, mismatched and misregistered pairs."""

import csv
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nirgan.data.images import Pixels
from nirgan.data.registration import MAX_REGISTERED_PX, Registration, measure
from nirgan.data.scaling import hint_of_bits
from nirgan.data.sources.base import Pair, PairSource
from nirgan.errors import NirganError
from nirgan.utils.atomic_write import atomic_write

MAX_NAMED_SHIFTS = 10
"""How many misregistered pairs are named."""


@dataclass(frozen=True)
class Finding:
    """The result for a pair: why it cannot be used, or how well it is registered.

    `most` is the largest values of the band and of the colors, arrays of one, if known.
    """

    pair: Pair
    problem: str | None = None
    registration: Registration | None = None
    most: tuple[Pixels, Pixels] | None = None


def inspect_pair(pair: Pair, patch: int) -> Finding:
    """Decode a pair and measure it; its height and width must be `patch` pixels at least."""
    try:
        nir, rgb = pair.loaded()
    except NirganError as error:
        return Finding(pair, str(error))
    height, width = nir.shape
    if min(height, width) < patch:
        problem = f"{pair.name}: {width}x{height} pixels, smaller than a patch of {patch}"
        return Finding(pair, problem)
    most = nir.max(keepdims=True), rgb.max(keepdims=True)
    return Finding(pair, registration=measure(nir, rgb), most=most)


def report(findings: Sequence[Finding]) -> str:
    """A table of categories, the unusable files, and the pairs with the worst registration."""
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.pair.category].append(finding)
    head = "category       pairs   bad  measured  median shift  median spread  registered"
    lines = [head, *(_row(category, group) for category, group in sorted(groups.items()))]
    lines.append(_row("all", findings))
    if bad := [f.problem for f in findings if f.problem]:
        lines += ["", f"{len(bad)} pairs cannot be used:", *(f"  {problem}" for problem in bad)]
    off = [(f, f.registration) for f in findings if f.registration and not f.registration.good]
    if off:
        lines += [
            "",
            f"{len(off)} pairs are shifted by {MAX_REGISTERED_PX[0]} px or more, or vary by "
            f"{MAX_REGISTERED_PX[1]} px or more within; the worst:",
        ]
    off.sort(key=lambda item: -(item[1].shift + item[1].spread))
    for f, r in off[:MAX_NAMED_SHIFTS]:
        lines.append(f"  {f.pair.name}: shift {r.shift:.2f} px, spread {r.spread:.2f} px")
    if unknown := sum(f.problem is None and f.registration is None for f in findings):
        lines += ["", f"{unknown} pairs were not measured: they share too few edges for that"]
    return "\n".join(lines)


def hints(findings: Sequence[Finding], source: PairSource) -> list[str]:
    """Hints for a data set whose values use little of the range of their type."""
    found = []
    for number, (name, scale) in enumerate((("nir", source.nir_scale), ("rgb", source.rgb_scale))):
        most = [f.most[number].ravel() for f in findings if f.most]
        if most and scale == "dtype" and len({m.dtype for m in most}) == 1:
            hint = hint_of_bits(np.concatenate(most), f"--source.{name}_scale")
            found += [f"\n{name.upper()} pictures: {hint}"] if hint else []
    return found


def write_csv(file: Path, findings: Sequence[Finding]) -> None:
    """Write a row for each pair: category, id, shift_px, spread_px, registered, problem."""
    with atomic_write(file) as part, part.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["category", "id", "shift_px", "spread_px", "registered", "problem"])
        for f in findings:
            r = f.registration
            values = [f"{r.shift:.3f}", f"{r.spread:.3f}", int(r.good)] if r else ["", "", ""]
            writer.writerow([f.pair.category, f.pair.id, *values, f.problem or ""])


def _row(name: str, findings: Sequence[Finding]) -> str:
    measured = [f.registration for f in findings if f.registration]
    bad = sum(f.problem is not None for f in findings)
    row = f"{name:12} {len(findings):7} {bad:5} {len(measured):9}"
    if not measured:
        return row
    shift = statistics.median(r.shift for r in measured)
    spread = statistics.median(r.spread for r in measured)
    good = sum(r.good for r in measured)
    return f"{row} {shift:10.2f} px {spread:11.2f} px {good:6} ({good / len(measured):.0%})"
