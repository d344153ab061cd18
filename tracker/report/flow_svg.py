"""The flow of records as a drawing in SVG: its text is text, and its numbers lead to their records.

Ink is one colour, so that it reads in grey and on paper; within a page it is that of the page, in a file it is dark on
white.
Only SVG's own attributes are set, as the site's policy refuses inline style.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from textwrap import wrap
from typing import NamedTuple

from markupsafe import Markup

from tracker.export.clean import printable
from tracker.report.flow import PHASES, Box, Column, Diagram, Line, Phase, link

# In units of the drawing, which are about one pixel at the usual text size. Letters are as wide as those of DejaVu
# Sans, the widest font that is likely.
_FONT, _LETTER, _BOLD, _LEADING = 14, 8.1, 9.2, 19
_PAD, _GAP, _BETWEEN = 12, 26, 34
_STRIP, _INDENT, _NAME = 26, 14, 108
_WIDTHS: dict[Column, int] = {"before": 190, "main": 290, "side": 290}
_ARROW = 6
_INK, _PAPER, _LINK = "#1d2327", "#ffffff", "#0b5a8a"


class _Text(NamedTuple):
    """A line of text as it is drawn: its indent, and where it leads."""

    words: str
    indent: int
    href: str | None
    bold: bool


class _Placed(NamedTuple):
    box: Box
    x: float
    y: float
    width: float
    height: float
    texts: list[_Text]

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


def drawing(diagram: Diagram, home: str = "", *, standalone: bool = False) -> Markup:
    """The flow as SVG. ``home`` is the address of the question's page, to which numbers lead; without it, nowhere.

    ``standalone`` is for a file: it has colours of its own and a white ground.
    """
    placed = list(_placed(diagram, home))
    by_name = {each.box.name: each for each in placed}
    width = max(each.x + each.width for each in placed) + 2
    height = max(each.bottom for each in placed) + 2
    parts = [
        *_strips(placed),
        *_arrows(by_name),
        *(part for each in placed for part in _drawn(each, standalone)),
    ]
    colour = _INK if standalone else "currentColor"
    ground = (
        Markup('<rect width="100%" height="100%" fill="{}"/>').format(_PAPER) if standalone else Markup("")
    )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="prisma" role="group" aria-labelledby="flow-name flow-told"'
        ' width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-size="{font}"'
        ' font-family="system-ui, &quot;Segoe UI&quot;, &quot;DejaVu Sans&quot;, sans-serif" fill="{colour}">'
        '<title id="flow-name">Flow of records: {title}</title><desc id="flow-told">{told}</desc>{ground}{body}</svg>'
    ).format(
        width=_number(width),
        height=_number(height),
        font=_FONT,
        colour=colour,
        title=printable(diagram.title),
        told=_told(diagram),
        ground=ground,
        body=Markup("\n").join(parts),
    )


def write_svg(diagram: Diagram, home: str) -> bytes:
    """The drawing as a file."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawing(diagram, home, standalone=True)}\n'.encode()


def _told(diagram: Diagram) -> str:
    """The same in a sentence for who cannot see it."""
    lines = (f"{line.words}: {line.n:,}" for box in diagram.boxes for line in box.lines)
    return f"PRISMA 2020 flow as of {diagram.updated[:10]}. {'; '.join(lines)}."


def _placed(diagram: Diagram, home: str) -> Iterator[_Placed]:
    """The boxes row by row: what leaves the flow stands beside the box that it leaves."""
    at = _columns(diagram)
    y: float = 1
    row: list[tuple[Box, list[_Text]]] = []
    for box in diagram.boxes:
        if box.column == "main" and any(each.column == "main" for each, _ in row):
            yield from _row(row, at, y)
            y += max(*(_high(texts) for _, texts in row), _least(row)) + _GAP
            row = []
        row.append((box, list(_texts(box, home))))
    yield from _row(row, at, y)


def _least(row: list[tuple[Box, list[_Text]]]) -> float:
    """How high a row has to be: the first alone has its part of the flow, whose name stands beside it."""
    return _NAME if any(box.phase == "identification" for box, _ in row) else 0


def _columns(diagram: Diagram) -> dict[Column, float]:
    """Where each column that the drawing has begins."""
    at: dict[Column, float] = {}
    x: float = _STRIP + 12
    for column, width in _WIDTHS.items():
        if diagram.of(column):
            at[column] = x
            x += width + _BETWEEN
    return at


def _row(row: list[tuple[Box, list[_Text]]], at: dict[Column, float], y: float) -> Iterator[_Placed]:
    for box, texts in row:
        yield _Placed(box, at[box.column], y, _WIDTHS[box.column], _high(texts), texts)


def _high(texts: list[_Text]) -> float:
    return len(texts) * _LEADING + 2 * _PAD - 4


def _texts(box: Box, home: str) -> Iterator[_Text]:
    for number, line in enumerate(box.lines):
        indent = _INDENT * line.level
        letter = _LETTER if number else _BOLD
        most = int((_WIDTHS[box.column] - 2 * _PAD - indent) / letter)
        for words in wrap(_with_number(line), most, break_long_words=True):
            yield _Text(words.replace("\xa0", " "), indent, link(home, line), number == 0)


def _with_number(line: Line) -> str:
    # Held together, so that no line ends within the number.
    return f"{printable(line.words)} (n\xa0=\xa0{line.n:,})"


def _drawn(each: _Placed, standalone: bool) -> Iterator[Markup]:
    yield Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="3" fill="none" stroke="{}"/>').format(
        *map(_number, (each.x, each.y, each.width, each.height)), _stroke(standalone)
    )
    for place, text in enumerate(each.texts):
        y = each.y + _PAD + _LEADING * place + _FONT - 3
        linked = Markup(' text-decoration="underline"') if text.href else Markup("")
        if text.href and standalone:
            linked += Markup(' fill="{}"').format(_LINK)
        weight = Markup(' font-weight="600"') if text.bold else Markup("")
        drawn = Markup('<text x="{}" y="{}"{}{}>{}</text>').format(
            _number(each.x + _PAD + text.indent), _number(y), weight, linked, text.words
        )
        yield Markup('<a href="{}">{}</a>').format(text.href, drawn) if text.href else drawn


def _strips(placed: list[_Placed]) -> Iterator[Markup]:
    """What each part of the flow is called, along its boxes at the left."""
    for phase, title in PHASES.items():
        yield _strip(phase, title, [each for each in placed if each.box.phase == phase])


def _strip(phase: Phase, title: str, within: list[_Placed]) -> Markup:
    top = min(each.y for each in within)
    bottom = max(*(each.bottom for each in within), top + (_NAME if phase == "identification" else 0))
    middle = (top + bottom) / 2
    return Markup(
        '<rect x="1" y="{top}" width="{wide}" height="{high}" rx="3" fill="currentColor" fill-opacity=".12"/>'
        '<text x="0" y="0" text-anchor="middle" font-size="{font}" font-weight="600"'
        ' transform="translate({x} {middle}) rotate(-90)">{title}</text>'
    ).format(
        top=_number(top),
        wide=_STRIP,
        high=_number(bottom - top),
        font=_FONT - 2,
        x=_number(_STRIP / 2 + 5),
        middle=_number(middle),
        title=title,
    )


_SIDES = (
    ("identified", "removed"),
    ("screened", "excluded"),
    ("sought", "not retrieved"),
    ("assessed", "excluded by full text"),
)
_DOWN = ("identified", "screened", "sought", "assessed", "included", "total")


def _arrows(by_name: dict[str, _Placed]) -> Iterator[Markup]:
    main = [by_name[name] for name in _DOWN if name in by_name]
    for above, below in pairwise(main):
        yield _arrow([(above.x + 60, above.bottom), (above.x + 60, below.y)])
    for name, beside in _SIDES:
        left, right = by_name[name], by_name[beside]
        y = left.y + min(left.height, right.height) / 2
        yield _arrow([(left.x + left.width, y), (right.x, y)])
    if "previous" in by_name:
        start, end = by_name["previous"], by_name["total"]
        x = start.x + 60
        yield _arrow([(x, start.bottom), (x, end.middle), (end.x, end.middle)])


def _arrow(points: list[tuple[float, float]]) -> Markup:
    """A line through the points, with a head at the last."""
    (x, y), (before_x, _) = points[-1], points[-2]
    path = "M" + "L".join(f"{_number(a)} {_number(b)}" for a, b in points)
    if before_x == x:
        head = f"M{_number(x - _ARROW)} {_number(y - _ARROW)}h{2 * _ARROW}l-{_ARROW} {_ARROW}z"
    else:
        head = f"M{_number(x - _ARROW)} {_number(y - _ARROW)}v{2 * _ARROW}l{_ARROW} -{_ARROW}z"
    return Markup(
        '<path d="{}" fill="none" stroke="currentColor"/><path d="{}" fill="currentColor"/>'
    ).format(path, head)


def _stroke(standalone: bool) -> str:
    return _INK if standalone else "currentColor"


def _number(value: float) -> str:
    return f"{value:g}"
