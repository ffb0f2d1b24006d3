"""The results as a table (Markdown) and as a picture (SVG): medians of the rounds, and ratios of the medians."""

import html
import statistics

from figures import FIGURES

NAMES = {"floor": "floor", "kafka": "Apache Kafka 4.3.1", "barnabas": "Barnabas"}
COLOURS = {"floor": "#9aa0a6", "kafka": "#b3752c", "barnabas": "#2c6fb3"}


def medians(rounds):
    """{server: {figure: median}} of a list of {server: {figure: value}}."""
    found = {}
    for one in rounds:
        for server, values in one.items():
            for key, value in values.items():
                found.setdefault(server, {}).setdefault(key, []).append(value)
    return {server: {key: statistics.median(values) for key, values in figures.items()}
            for server, figures in found.items()}


def ratio(result, key, to):
    mine, other = result.get("barnabas", {}).get(key), result.get(to, {}).get(key)
    return mine / other if mine is not None and other else None


def target_of(figure):
    parts = []
    if figure.of_floor is not None:
        parts.append(f"<= {figure.of_floor} x floor")
    if figure.of_kafka is not None:
        parts.append(f"<= {figure.of_kafka} x Kafka")
    if figure.at_most is not None:
        parts.append(f"<= {figure.at_most} {figure.unit}")
    return ", ".join(parts)


def reached(result, figure):
    """'yes', 'no', or '' where there is no target or nothing to hold against it."""
    pairs = [(ratio(result, figure.key, "floor"), figure.of_floor), (ratio(result, figure.key, "kafka"), figure.of_kafka),
             (result.get("barnabas", {}).get(figure.key), figure.at_most)]
    held = [value <= limit for value, limit in pairs if value is not None and limit is not None]
    return "" if not held else "yes" if all(held) else "no"


def table(result, about):
    """The Markdown text. `about`: lines on machine, versions and options."""
    lines = ["# Barnabas beside Apache Kafka", "", *(f"- {line}" for line in about), "",
             "| figure | unit | floor | Kafka | Barnabas | of floor | of Kafka | target | reached |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"]
    for figure in FIGURES:
        cells = [figure.title, figure.unit]
        for server in NAMES:
            value = result.get(server, {}).get(figure.key)
            cells.append("" if value is None else f"{value:.{figure.digits}f}")
        for other in ("floor", "kafka"):
            value = ratio(result, figure.key, other)
            cells.append("" if value is None else f"{value:.2f} x")
        cells += [target_of(figure), reached(result, figure)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def chart(result):
    """The SVG text: for each figure a bar a server, as long as its share of the figure's largest value."""
    bar, gap, left, width = 13, 26, 330, 760
    out, y = [], 34
    for server, x in zip(NAMES, (left, left + 90, left + 250)):
        out.append(f'<rect x="{x}" y="8" width="11" height="11" fill="{COLOURS[server]}"/>'
                   f'<text x="{x + 16}" y="18">{NAMES[server]}</text>')
    for figure in FIGURES:
        values = {server: result[server][figure.key] for server in NAMES if figure.key in result.get(server, {})}
        if not values:
            continue
        middle = y + bar * len(values) / 2 + 4
        out.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{html.escape(figure.title)}</text>')
        for server, value in values.items():
            length = max(1.0, (width - left - 110) * value / max(values.values()))
            out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{COLOURS[server]}"/>'
                       f'<text x="{left + length + 5:.1f}" y="{y + bar - 3}">{value:.{figure.digits}f} {figure.unit}</text>')
            y += bar
        y += gap - bar
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" '
            'font-family="sans-serif" font-size="11" fill="#222">')
    return "\n".join([head, f'<rect width="{width}" height="{y}" fill="#fff"/>', *out, "</svg>"]) + "\n"
