"""Numbers of records by year, as charts and as a table: numbers in, markup out.

Every drawing is in one neutral colour, because numbers of papers are not strength of evidence. The site's
policy refuses inline style, so only SVG's own attributes are set here; class names leave the rest to the sheet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from markupsafe import Markup, escape

Years = Mapping[int, int]

_UNPRINTABLE = re.compile("[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# In units of the drawing, which are about one pixel at the usual text size.
_EM = 15
_FONT = 12
_DIGIT = 7
_ROW, _BAR = 22, 18
_NAMES = 184
_LONGEST = 28
_GAP = 12
_PLOT, _WIDEST, _NARROWEST = 420, 20, 48
_TICK = 40
_SPARK, _SPARK_BAR, _SPARK_HIGH, _SPARK_YEARS = 4, 3, 24, 12
# If bars that name their label would take more bytes than this, they give only year and number.
_SMALL = 80_000
_AROUND_A_BAR = 60


class _Row(NamedTuple):
    label: str
    counts: dict[int, int]
    undated: int

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.undated


def sparkline(by_year: Years, first: int, last: int) -> Markup:
    """A bar for each year from the first to the last, as high as the line; its name gives the main numbers."""
    years = range(first, last + 1)
    if not years:
        return Markup()
    counts = [by_year.get(year, 0) for year in years]
    most = max(counts)
    bars = "".join(
        f"M{_SPARK * at} {_SPARK_HIGH}v-{_height(n, most, _SPARK_HIGH)}h{_SPARK_BAR}V{_SPARK_HIGH}"
        for at, n in enumerate(counts)
        if n
    )
    return Markup(
        '<svg class="sparkline" role="img" width="{width}" height="{high}" viewBox="0 0 {width} {box}"'
        ' preserveAspectRatio="none" fill="currentColor"><title>{name}</title>'
        '<path class="axis" fill-opacity=".3" d="M0 {high}h{line}v1H0"/><path class="bars" d="{bars}"/></svg>'
    ).format(
        width=_SPARK * max(len(years), _SPARK_YEARS),
        high=_SPARK_HIGH,
        box=_SPARK_HIGH + 1,
        line=_SPARK * len(years) - (_SPARK - _SPARK_BAR),
        name=f"Records by year: {_told(counts, years)}",
        bars=bars,
    )


def year_by_label(
    counts: Mapping[str, Years],
    first: int,
    last: int,
    undated: Mapping[str, int] = {},
    *,
    id: str,
    name: str = "Records by year",
) -> Markup:
    """A row for each label, with a bar for each year, all on one scale, and the row's total at its end.

    A total counts the years from the first to the last and the undated. ``id`` is a slug that no other chart on
    the page has; the name is the element ``{id}-title``. Nothing is drawn without a label or a year.
    """
    years = range(first, last + 1)
    rows = _rows(counts, years, undated)
    if not (years and rows):
        return Markup()
    return _Chart(id, name, years, rows).drawn()


class _Chart:
    """The measures of a chart of rows, and its parts as SVG."""

    def __init__(self, id: str, name: str, years: range, rows: list[_Row]) -> None:
        self.id, self.name, self.years, self.rows = id, name, years, rows
        self.most, year, label = max((n, year, row.label) for row in rows for year, n in row.counts.items())
        self.tallest = (
            f"the tallest is {self.most:,} ({_cut(label)}, {year})" if self.most else "all are empty"
        )
        # Whole units keep the bars sharp; a span of centuries has less than one unit per year.
        self.pitch = min(_WIDEST, _PLOT // len(years)) or _PLOT / len(years)
        self.plot = max(_NARROWEST, self.pitch * len(years))
        # A row's own zero is where its base meets the middle of its first bar.
        self.left, self.base = _NAMES + self.pitch / 2, _ROW - 2
        self.heads, self.ends = ["all"], [[_number(row.total) for row in rows]]
        if any(row.undated for row in rows):
            self.heads.insert(0, "no year")
            self.ends.insert(0, [_cell(row.undated) for row in rows])
        edges = self._edges()
        self.places, self.right = [edge - self.left for edge in edges], edges[-1]
        bars = sum(bool(n) for row in rows for n in row.counts.values())
        longest = max(len(Markup.escape(row.label).encode()) for row in rows)
        self.is_terse = bars * (_AROUND_A_BAR + longest) > _SMALL

    def _edges(self) -> list[float]:
        """The right edge of each column of numbers after the bars."""
        edges, edge = [], _NAMES + self.plot + _GAP
        for head, column in zip(self.heads, self.ends, strict=True):
            edge += _DIGIT * max(map(len, (head, *column))) + _GAP
            edges.append(edge - _GAP)
        return edges

    def drawn(self) -> Markup:
        return Markup(
            '<svg class="by-year" role="img" aria-labelledby="{id}-title" aria-describedby="{id}-desc"'
            ' width="{em}em" viewBox="0 0 {width} {height}" fill="currentColor"><title id="{id}-title">{name}</title>'
            '<desc id="{id}-desc">{told}</desc><path class="axis" fill-opacity=".3" d="{axes}"/>'
            '<g font-size="{font}" stroke-width="{thick}">{rows}{scale}</g></svg>'
        ).format(
            id=self.id,
            name=_plain(self.name),
            told=self._told(),
            em=_short(self.right / _EM),
            width=_short(self.right),
            height=_ROW * (len(self.rows) + 1),
            axes=self._axes(),
            font=_FONT,
            thick=_short(self.pitch - 1 if self.pitch > 2 else self.pitch * 0.8),
            rows=Markup().join(self._row(at, row) for at, row in enumerate(self.rows)),
            scale=self._scale(),
        )

    def _told(self) -> str:
        first, last = self.years[0], self.years[-1]
        return (
            f"One row per label, with one bar per year from {first} to {last}; {self.tallest}. In all: "
            + "; ".join(f"{_cut(row.label)} {row.total:,}" for row in self.rows)
        )

    def _axes(self) -> str:
        tops = (_ROW * at + self.base for at in range(len(self.rows)))
        return "".join(f"M{_NAMES} {top}h{_short(self.plot)}v1H{_NAMES}" for top in tops)

    def _row(self, at: int, row: _Row) -> Markup:
        undated = f"; {row.undated:,} without a year" if row.undated else ""
        return Markup(
            '<g class="row" transform="translate({left} {base})"><title>{title}</title>'
            '<rect x="-{left}" y="-{rise}" width="{width}" height="{row}" fill="none" pointer-events="fill"/>'
            '<text x="-{left}" y="-4">{short}</text>{ends}<g class="bars" stroke="currentColor">{bars}</g></g>'
        ).format(
            left=_short(self.left),
            base=_ROW * at + self.base,
            title=f"{row.label}: {_told(row.counts.values(), self.years)}{undated}",
            rise=self.base,
            width=_short(self.right),
            row=_ROW,
            short=_cut(row.label),
            ends=_ends([column[at] for column in self.ends], self.places, -4),
            bars=_bars("" if self.is_terse else f"{row.label}, ", row.counts, self.most, self.pitch),
        )

    def _scale(self) -> Markup:
        return Markup(
            '<g class="scale" transform="translate({left} {base})"><text x="-{left}">{tallest}</text>{ticks}{heads}</g>'
        ).format(
            left=_short(self.left),
            base=_ROW * (len(self.rows) + 1) - 6,
            tallest=f"Tallest bar: {self.most:,}" if self.most else "No bars",
            ticks=_ticks(self.years, self.pitch),
            heads=_ends(self.heads, self.places, 0),
        )


def year_table(
    counts: Mapping[str, Years],
    first: int,
    last: int,
    undated: Mapping[str, int] = {},
    *,
    id: str,
    name: str = "Records by year",
    total: bool = False,
) -> Markup:
    """The numbers of ``year_by_label``: a column for each label, a row for each year, newest first.

    ``total`` adds a column of sums across the labels, which is right only where no record has two of them. The
    name is the caption, ``{id}-caption``.
    """
    years = range(first, last + 1)
    rows = _rows(counts, years, undated)
    if not (years and rows):
        return Markup()
    body = [(str(year), [row.counts[year] for row in rows]) for year in reversed(years)]
    if any(row.undated for row in rows):
        body.append(("No year", [row.undated for row in rows]))
    totals = [row.total for row in rows]
    return Markup(
        '<table class="by-year"><caption id="{id}-caption">{name}</caption><thead><tr><th scope="col">Year</th>'
        "{heads}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
    ).format(
        id=id,
        name=_plain(name),
        heads=Markup().join(
            Markup('<th scope="col" class="number">{}</th>').format(head)
            for head in [
                *(Markup("<bdi>{}</bdi>").format(row.label) for row in rows),
                *(["All"] if total else []),
            ]
        ),
        body=Markup().join(
            _line(head, map(_cell, numbers), sum(numbers) if total else None) for head, numbers in body
        ),
        foot=_line("All years", map(_number, totals), sum(totals) if total else None),
    )


def _rows(counts: Mapping[str, Years], years: range, undated: Mapping[str, int]) -> list[_Row]:
    """The labels in the caller's order; those of undated records only come last."""
    return [
        _Row(
            _plain(label),
            {year: counts.get(label, {}).get(year, 0) for year in years},
            undated.get(label, 0),
        )
        for label in dict.fromkeys([*counts, *undated])
    ]


def _told(counts: Iterable[int], years: range) -> str:
    """The main numbers of a row: the first, the last, the highest and the sum."""
    row = dict(zip(years, counts, strict=True))
    first, last = years[0], years[-1]
    if not any(row.values()):
        return f"none from {first} to {last}" if first != last else f"none in {first}"
    if first == last:
        return f"{row[first]:,} in {first}"
    most = max(reversed(years), key=row.__getitem__)
    return (
        f"{row[first]:,} in {first}, {row[last]:,} in {last}; most {row[most]:,} in {most}; "
        f"{sum(row.values()):,} in all"
    )


def _bars(of: str, row: Years, most: int, pitch: float) -> Markup:
    """A stroke for each year with records, down to the row's base; the first year is at 0.

    Numbers need no escaping; escaping the label once, and not for every bar, is a tenth of the work.
    """
    label = escape(of)
    bars = (
        f'<path d="M{_short(pitch * at)}-{_height(n, most, _BAR)}V0"><title>{label}{year}: {n:,}</title></path>'
        for at, (year, n) in enumerate(row.items())
        if n
    )
    return Markup("".join(bars))  # noqa: S704 - numbers, and an escaped label


def _ticks(years: range, pitch: float) -> Markup:
    """Round years, so far apart that they do not touch."""
    steps = (scale * step for scale in (1, 10, 100, 1000) for step in (1, 2, 5))
    step = next((step for step in steps if step * pitch >= _TICK), len(years))
    ticks = [year for year in years if year % step == 0] or [years[0]]
    return Markup().join(
        Markup('<text x="{}" text-anchor="middle">{}</text>').format(_short(pitch * (year - years[0])), year)
        for year in ticks
    )


def _ends(texts: Iterable[str], places: Iterable[float], y: int) -> Markup:
    return Markup().join(
        Markup('<text class="number" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _short(place), y, text
        )
        for text, place in zip(texts, places, strict=True)
    )


def _line(head: str, cells: Iterable[str], total: int | None) -> Markup:
    """A row of the table; its cells are numbers."""
    numbers = [*cells, *([] if total is None else [_number(total)])]
    written = Markup("".join(f'<td class="number">{cell}</td>' for cell in numbers))  # noqa: S704 - numbers
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(head, written)


def _height(n: int, most: int, full: int) -> str:
    """A height to scale, but never too low to be seen."""
    return _short(max(1, full * n / most))


def _number(n: int) -> str:
    return f"{n:,}"


def _cell(n: int) -> str:
    """A dot for zero, so that in a table of mostly zeros the numbers stand out."""
    return _number(n) if n else "·"


def _short(number: float) -> str:
    """``12.0`` as ``12``, ``12.34`` as ``12.3``; nobody sees less than a tenth of a unit."""
    return f"{number:.1f}".removesuffix(".0")


def _plain(label: str) -> str:
    """A label on one line, without what XML cannot hold."""
    return " ".join(_UNPRINTABLE.sub("\ufffd", label).split()) or "no label"


def _cut(label: str) -> str:
    """As much of a label as fits into the space for names."""
    room: float = _LONGEST
    for at, character in enumerate(label):
        room -= _wide(character)
        if room < 0:
            return label[: at - 1].rstrip() + "…"
    return label


def _wide(character: str) -> float:
    """The width of a character, in lower-case letters; fonts differ, so this is a safe estimate."""
    if combining(character):
        return 0
    if east_asian_width(character) in "WF":
        return 2
    if character in "MW@%—":
        return 1.8
    return 1.3 if character.isupper() or character in "mw" else 1
