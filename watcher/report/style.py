# SPDX-License-Identifier: Apache-2.0
"""How reports look, on a screen by day and by night and on paper; and the marks of states.

Text has a contrast of 4.5:1 or more to its ground and drawings of 3:1, by both colour schemes. No
colour is the only sign: what leaves is hatched, what arrives is dotted, states are words.
"""

from html import escape

COLOURS = """
:root { color-scheme: light dark; --back: #ffffff; --soft: #f3f5f8; --ink: #1d2433; --dim: #566072;
  --line: #c9d0dc; --stays: #78839a; --leaves: #b45309; --arrives: #1d4ed8; --gauge: #0f766e;
  --bad: #b91c1c; }
@media screen and (prefers-color-scheme: dark) {
  :root { --back: #14181f; --soft: #1d232d; --ink: #e7eaf0; --dim: #a6b0c2; --line: #3b4556;
    --stays: #6f7b93; --leaves: #fb923c; --arrives: #7aa2ff; --gauge: #2dd4bf; --bad: #fca5a5; } }
"""

DRAWING = """
svg text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg .small { font-size: 10px; fill: var(--dim); } svg .right { text-anchor: end; }
svg .middle { text-anchor: middle; } svg .strong { font-weight: 600; }
svg .frame { fill: none; stroke: var(--line); } svg .closed { stroke-dasharray: 3 3; }
svg .stays { fill: var(--stays); } svg .leaves { fill: var(--leaves); }
svg .arrives { fill: var(--arrives); } svg .cut { stroke: var(--back); stroke-width: 1; }
svg .mark { fill: var(--back); } svg .gauge { fill: var(--gauge); }
svg .limit { stroke: var(--ink); stroke-width: 2; } svg .grid { stroke: var(--line); }
svg .level { stroke: var(--ink); stroke-dasharray: 4 3; } svg .ground { fill: var(--back); }
svg .bad { fill: var(--bad); } svg .wait { fill: none; stroke: var(--arrives); }
"""

PAGE = """
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--back); max-width: 1200px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
p, li { max-width: 75ch; } p { margin: .4rem 0; } a { color: var(--arrives); }
.dim { color: var(--dim); } .bad { color: var(--bad); font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; }
dl.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin: 1rem 0; }
dl.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end;
  border-left: 3px solid var(--arrives); padding-left: .7rem; }
dl.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.2; }
dl.figures dt { color: var(--dim); font-size: .9rem; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem 2rem;
  align-items: end; }
@media (max-width: 760px) { .sides { grid-template-columns: 1fr; } }
figure { margin: .5rem 0; min-width: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
figure svg { display: block; width: 100%; overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: .9rem; }
.legend span { display: inline-flex; align-items: center; gap: .4rem; }
.legend svg { width: 22px; height: 12px; flex: none; }
.scroll { overflow-x: auto; } .scroll:focus { outline: 2px solid var(--arrives); }
table { border-collapse: collapse; font-size: .9rem;
  min-width: min(100%, 24rem); }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
td.prose { min-width: 16rem; } td.nowrap, th.nowrap { white-space: nowrap; }
.note { background: var(--soft); border-left: 3px solid var(--leaves); padding: .5rem .8rem; }
@media print { @page { margin: 14mm; } body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; } .sides { grid-template-columns: 1fr 1fr; } .scroll { overflow: visible; }
  svg, .legend, dl.figures, .note { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr, dl.figures { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
  td.prose { min-width: 0; } table { font-size: 8.5pt; } }
"""

SIGNS = {
    "PENDING": "○",
    "ONGOING": "▶",
    "SUCCEEDED": "✓",
    "FAILED": "✗",
    "SKIPPED": "»",
    "CANCELLED": "⊘",
}
"""A sign for each state of an action, beside its name or where that has no room."""


def state(word: str) -> str:
    """A state as HTML: its sign, and its name."""
    kind = ' class="bad"' if word == "FAILED" else ""
    sign = SIGNS.get(word, "")
    shown = f'<span aria-hidden="true">{sign}</span> ' if sign else ""
    return f"<span{kind}>{shown}{escape(word)}</span>"
