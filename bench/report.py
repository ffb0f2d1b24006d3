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
    if figure.at_least_of_kafka is not None:
        parts.append(f">= {figure.at_least_of_kafka} x Kafka")
    if figure.at_most is not None:
        parts.append(f"<= {figure.at_most} {figure.unit}")
    return ", ".join(parts)


def reached(result, figure):
    """'yes', 'no', or '' where there is no target or nothing to hold against it."""
    of_floor, of_kafka = ratio(result, figure.key, "floor"), ratio(result, figure.key, "kafka")
    held = [value <= limit for value, limit in ((of_floor, figure.of_floor), (of_kafka, figure.of_kafka),
                                                (result.get("barnabas", {}).get(figure.key), figure.at_most))
            if value is not None and limit is not None]
    if of_kafka is not None and figure.at_least_of_kafka is not None:
        held.append(of_kafka >= figure.at_least_of_kafka)
    return "" if not held else "yes" if all(held) else "no"


def measured(result):
    """The figures that some server has."""
    return [figure for figure in FIGURES if any(figure.key in values for values in result.values())]


def table(result, about, sizes):
    """The Markdown text. `about`: lines on machine, versions and options; `sizes`: what titles name in braces."""
    lines = ["# Barnabas beside Apache Kafka", "", *(f"- {line}" for line in about), "",
             "| figure | unit | floor | Kafka | Barnabas | of floor | of Kafka | target | reached |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"]
    for figure in measured(result):
        cells = [figure.title.format(**sizes), figure.unit]
        for server in NAMES:
            value = result.get(server, {}).get(figure.key)
            cells.append("" if value is None else f"{value:.{figure.digits}f}")
        for other in ("floor", "kafka"):
            value = ratio(result, figure.key, other)
            cells.append("" if value is None else f"{value:.2f} x")
        cells += [target_of(figure), reached(result, figure)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", verdict(result)]) + "\n"


def verdict(result):
    with_target = [(figure.key, reached(result, figure)) for figure in measured(result) if reached(result, figure)]
    missed = [key for key, answer in with_target if answer == "no"]
    return (f"{len(with_target) - len(missed)} of {len(with_target)} targets are reached"
            + (f"; not {', '.join(missed)}." if missed else "."))


def chart(result, sizes):
    """The SVG text: for each figure a bar a server, as long as its share of the figure's largest value."""
    bar, gap, left, width = 13, 26, 390, 820
    out, y = [], 34
    for server, x in zip(NAMES, (left, left + 90, left + 250)):
        out.append(f'<rect x="{x}" y="8" width="11" height="11" fill="{COLOURS[server]}"/>'
                   f'<text x="{x + 16}" y="18">{NAMES[server]}</text>')
    for figure in measured(result):
        values = {server: result[server][figure.key] for server in NAMES if figure.key in result.get(server, {})}
        middle = y + bar * len(values) / 2 + 4
        title = html.escape(figure.title.format(**sizes))
        out.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{title}</text>')
        for server, value in values.items():
            length = max(1.0, (width - left - 110) * value / (max(values.values()) or 1))
            out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{COLOURS[server]}"/>'
                       f'<text x="{left + length + 5:.1f}" y="{y + bar - 3}">{value:.{figure.digits}f} {figure.unit}</text>')
            y += bar
        y += gap - bar
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" '
            'font-family="sans-serif" font-size="11" fill="#222">')
    return "\n".join([head, f'<rect width="{width}" height="{y}" fill="#fff"/>', *out, "</svg>"]) + "\n"
