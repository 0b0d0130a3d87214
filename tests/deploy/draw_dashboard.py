"""Draws the panels of a Grafana dashboard with gnuplot, at the places and with the titles and units that it gives them."""
import re
import subprocess

WIDTH = 1400  # [pixels]; Grafana's grid has 24 columns
ROW = 27  # [pixels] of a row of the grid
GAP = 6
COLOURS = ["#1f77b4", "#d9660a", "#2a9135", "#c42a2b", "#7d55b0", "#8c564b", "#d05aa8", "#6b6b6b", "#9a9b1d", "#1598a8"]
STATES = {"blue": "#5a8fd0", "green": "#58a866", "purple": "#9a78c8", "orange": "#e09a4a"}
MOST_IN_LEGEND = 6


def legend(target, labels):
    return re.sub(r"{{(\w+)}}", lambda m: labels.get(m[1], ""), target["legendFormat"]).strip()


def quoted(text):
    """For gnuplot without enhanced text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number_text(value, unit):
    if unit == "percentunit":
        return f"{100 * value:.0f} %"
    if unit in ("bytes", "Bps"):
        power = 0
        while value >= 1024 and power < 4:
            value, power = value / 1024, power + 1
        return f"{value:.3g} {'  KMGT'[power + 1].strip()}{'i' if power else ''}B{'/s' if unit == 'Bps' else ''}"
    if unit == "s":
        return f"{1e3 * value:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    return f"{value:.4g}" + (unit.removeprefix("suffix:") if unit.startswith("suffix:") else "")


def scale_of(unit, largest):
    """What an axis is divided by, and what stands beside it."""
    if unit == "percentunit":
        return 0.01, "%"
    if unit in ("bytes", "Bps"):
        power = 0
        while largest >= 1024 ** (power + 1) and power < 4:
            power += 1
        return 1024 ** power, ["", "Ki", "Mi", "Gi", "Ti"][power] + "B" + ("/s" if unit == "Bps" else "")
    if unit == "s":
        return (1e-3, "ms") if largest < 1 else (1, "s")
    return 1, unit.removeprefix("suffix:").strip() if unit.startswith("suffix:") else ""


def spells_of(values):
    """[begin, end, value] of each time in which a series does not change."""
    spells = []
    for t, value in values:
        if spells:
            spells[-1][1] = t
        if not spells or spells[-1][2] != value:
            spells.append([t, t, value])
    return spells


def floors_of(series):
    """On what each of them stands, by the time, where they are stacked; one that is not there is nothing high."""
    times = sorted({t for _, _, values in series for t, _ in values})
    floors, top = [], dict.fromkeys(times, 0)
    for _, _, values in series:
        floors.append(dict(top))
        for t, value in values:
            top[t] += value
    return floors


def points_of(values, floor, divisor):
    """Lines for gnuplot: time, from where, to where; an empty one where there is a gap."""
    gap = 3 * min((b - a for (a, _), (b, _) in zip(values, values[1:])), default=1)
    lines, last = [], None
    for t, value in values:
        if last is not None and t - last > gap:
            lines.append("")
        last, below = t, floor.get(t, 0)
        lines.append(f"{t:.3f} {below / divisor:.9g} {(below + value) / divisor:.9g}")
    return lines


class Picture:
    def __init__(self, dashboard, ask, start, end):
        self.dashboard, self.ask, self.start, self.end = dashboard, ask, start, end
        self.rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
        self.height = self.rows * ROW
        self.lines, self.blocks = [], 0

    def place(self, panel):
        """left, right, top, bottom in parts of the picture, from below as gnuplot counts."""
        grid = panel["gridPos"]
        left, right = grid["x"] * WIDTH / 24 + GAP, (grid["x"] + grid["w"]) * WIDTH / 24 - GAP
        top, bottom = grid["y"] * ROW + GAP, (grid["y"] + grid["h"]) * ROW - GAP
        return left / WIDTH, right / WIDTH, 1 - top / self.height, 1 - bottom / self.height

    def frame(self, panel):
        left, right, top, bottom = self.place(panel)
        self.lines += ["reset", "set encoding utf8", "unset key", "unset object", "unset label",
                       f"set origin {left:.5f},{bottom:.5f}", f"set size {right - left:.5f},{top - bottom:.5f}",
                       f"set object 1 rectangle from screen {left:.5f},{bottom:.5f} to screen {right:.5f},{top:.5f} "
                       "fillstyle empty border linecolor rgb '#c8c8c8' behind",
                       f"set label 1 {quoted(panel['title'])} at screen {left + 8 / WIDTH:.5f},{top - 12 / self.height:.5f} "
                       "font 'DejaVu Sans Bold,10' textcolor rgb '#222222' noenhanced"]
        return left, right, top, bottom

    def answers(self, panel):
        """(target, legend, labels, [(seconds since the start, value)]) of all series."""
        for number, target in enumerate(panel["targets"]):
            for labels, values in sorted(self.ask(target["expr"], target["instant"]), key=lambda series: sorted(series[0].items())):
                yield number, legend(target, labels), labels, [(t - self.start, v) for t, v in values]

    def block(self, points):
        name = f"$data{self.blocks}"
        self.blocks += 1
        self.lines += [f"{name} << EOD", *points, "EOD"]
        return name

    def texts(self, panel, entries):
        """Lines of text in a panel: (text, font size, colour)."""
        left, _, top, _ = self.frame(panel)
        y = top - 34 / self.height
        for number, (text, size, colour) in enumerate(entries):
            self.lines.append(f"set label {number + 2} {quoted(text)} at screen {left + 12 / WIDTH:.5f},{y:.5f} "
                              f"font 'DejaVu Sans,{size}' textcolor rgb '{colour}' noenhanced")
            y -= (size + 9) / self.height
        self.bare()

    def bare(self):
        self.lines += ["unset border", "unset tics", "set xrange [0:1]", "set yrange [0:1]", "plot NaN notitle"]

    def draw_row(self, panel):
        left, _, top, bottom = self.place(panel)
        self.lines += ["reset", "unset key", f"set label 1 {quoted(panel['title'])} at screen {left:.5f},{(top + bottom) / 2:.5f} "
                       "font 'DejaVu Sans Bold,12' noenhanced"]
        self.bare()

    def draw_stat(self, panel):
        defaults = panel["fieldConfig"]["defaults"]
        texts = {value: shown["text"] for mapping in defaults["mappings"] for value, shown in mapping["options"].items()}
        entries = []
        for _, title, _, values in self.answers(panel):
            value = values[-1][1]
            text = texts.get(f"{value:g}") or (f"{value:.{defaults['decimals']}f}" if "decimals" in defaults
                                               else number_text(value, defaults.get("unit", "")))
            entries += [(title, 8, "#555555"), (text, 14, "#1a7f37")]
        self.texts(panel, entries)

    def draw_bargauge(self, panel):
        left, right, top, _ = self.frame(panel)
        y, step = top - 34 / self.height, 23 / self.height
        for number, (_, title, _, values) in enumerate(self.answers(panel)):
            value, label = values[-1][1], 10 + number
            begin, end = left + 0.55 * (right - left), right - 48 / WIDTH
            for part, (share, colour) in enumerate([(1, "#e8e8e8"), (min(1, value), "#1a7f37")]):
                self.lines.append(f"set object {2 * label + part} rectangle from screen {begin:.5f},{y - 6 / self.height:.5f} "
                                  f"to screen {begin + share * (end - begin):.5f},{y + 6 / self.height:.5f} "
                                  f"fillstyle solid noborder fillcolor rgb '{colour}' front")
            for x, text, place in [(left + 12 / WIDTH, title, 0), (end + 6 / WIDTH, number_text(value, "percentunit"), 1)]:
                self.lines.append(f"set label {2 * label + place} {quoted(text)} at screen {x:.5f},{y:.5f} "
                                  "font 'DejaVu Sans,8' noenhanced front")
            y -= step
        self.bare()

    def draw_table(self, panel):
        columns = list(panel["transformations"][0]["options"]["indexByName"])
        rows = [[labels.get(column, "") for column in columns] for _, _, labels, _ in self.answers(panel)]
        widths = [max(len(row[k]) for row in [columns] + rows) + 2 for k in range(len(columns))]
        left, _, top, _ = self.frame(panel)
        for number, row in enumerate([columns] + rows):
            text = "".join(cell.ljust(width) for cell, width in zip(row, widths))
            self.lines.append(f"set label {number + 2} {quoted(text)} at screen {left + 12 / WIDTH:.5f},"
                              f"{top - (38 + 18 * number) / self.height:.5f} font 'DejaVu Sans Mono,8' "
                              f"textcolor rgb '{'#222222' if number else '#666666'}' noenhanced")
        self.bare()

    def time_axis(self, panel):
        _, _, top, bottom = self.frame(panel)
        self.lines += ["set border 3 linecolor rgb '#888888'", "set grid linecolor rgb '#e4e4e4' linetype 1", "set bmargin 4.2",
                       "set tmargin 2.6", "set rmargin 3", "set tics font 'DejaVu Sans,8' textcolor rgb '#444444' nomirror scale 0.4",
                       f"set xrange [0:{self.end - self.start:.3f}]", "set xtics format '%g s' offset 0,0.3",
                       "set key below left Left reverse maxrows 3 samplen 1 spacing 0.9 width -1 font 'DejaVu Sans,7' noenhanced"]

    def draw_state_timeline(self, panel):
        shown = {float(value): state for mapping in panel["fieldConfig"]["defaults"]["mappings"]
                 for value, state in mapping["options"].items()}
        self.time_axis(panel)
        self.lines += ["set bmargin 2", "unset key", "unset grid", "set border 1"]
        names, number = [], 2
        for _, title, _, values in self.answers(panel):
            level = len(names)
            names.append(title)
            for begin, end, state in spells_of(values):
                if shown[state]["color"] == "transparent":
                    continue
                self.lines.append(f"set object {number} rectangle from first {begin:.3f},{level - 0.35} "
                                  f"to first {end:.3f},{level + 0.35} fillstyle solid 0.7 noborder "
                                  f"fillcolor rgb '{STATES[shown[state]['color']]}'")
                if end - begin > 0.18 * (self.end - self.start):
                    self.lines.append(f"set label {number} {quoted(shown[state]['text'])} at first {begin:.3f},{level} "
                                      "offset 0.5,0 font 'DejaVu Sans,8' front")
                number += 1
        tics = ", ".join(f"{quoted(name)} {level}" for level, name in enumerate(names))
        self.lines += [f"set yrange [{len(names) - 0.5}:-0.5]", f"set ytics ({tics}) noenhanced font 'DejaVu Sans,8'", "plot NaN notitle"]

    def draw_timeseries(self, panel):
        defaults = panel["fieldConfig"]["defaults"]
        is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
        on_the_right = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        series = [(number, title, [point for point in values if point[1] == point[1]])
                  for number, title, _, values in self.answers(panel)]
        series = [one for one in series if one[2]]
        largest = max((value for _, _, values in series for _, value in values), default=1)
        divisor, unit = scale_of(defaults.get("unit", ""), largest)
        self.time_axis(panel)
        self.value_axes(defaults, unit, bool(on_the_right))
        floors = floors_of(series) if is_stacked else [{} for _ in series]
        # Where there are many, those that matter most are named.
        named = sorted(series, key=lambda one: -sum(value for _, value in one[2]))[:MOST_IN_LEGEND]
        plots = []
        for k, (one, floor) in enumerate(zip(series, floors)):
            number, title, values = one
            values = [(t, dict(values).get(t, 0)) for t in floor] if is_stacked else values
            style = f"linecolor rgb '{COLOURS[k % len(COLOURS)]}'"
            if is_stacked:
                style = "using 1:2:3 with filledcurves fillstyle solid 0.75 noborder " + style
            else:
                axes = "axes x1y2 " if "ABCD"[number] in on_the_right else ""
                style = f"using 1:3 {axes}with lines linewidth 1.6 " + style
            name = self.block(points_of(values, floor, divisor))
            plots.append(f"{name} {style} title {quoted(title if one in named else '')}")
        self.lines.append("plot " + (", ".join(plots) or "NaN notitle"))

    def value_axes(self, defaults, unit, has_right_one):
        if unit:
            self.lines.append(f"set ylabel {quoted(unit)} font 'DejaVu Sans,8' offset 1.5,0 noenhanced")
        if defaults["custom"]["scaleDistribution"]["type"] == "log":
            self.lines += ["set logscale y", "set format y '10^{%T}'"]
        elif "min" in defaults or unit in ("s", "ms", "/s"):
            self.lines.append(f"set yrange [0:{100 if defaults.get('max') == 1 else ''}]")
        if has_right_one:
            self.lines += ["set y2tics", "set rmargin 6"]

    def script(self, file):
        head = [f"set terminal pngcairo size {WIDTH},{self.height} font 'DejaVu Sans,9' background rgb 'white'",
                f"set output {quoted(str(file))}", "set multiplot"]
        for panel in self.dashboard["panels"]:
            getattr(self, "draw_" + panel["type"].replace("-", "_"))(panel)
        return "\n".join(head + self.lines + ["unset multiplot", ""])


def draw(dashboard, ask, start, end, file):
    """ask(expression, is_instant) gives [(labels, [(time, value)])] of the time from start to end [s], or of the end alone."""
    script = Picture(dashboard, ask, start, end).script(file)
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
    if done.returncode != 0 or "error" in done.stderr.lower():
        raise RuntimeError(done.stderr)
