/* Draws the chart specifications of farthing.page.charts with ECharts. One global, `farthingCharts`:
   draw(element, spec) -> {update(spec), dispose()}, and format(value, unit). Colours come from the CSS variables of theme.css; nothing here
   writes HTML or style attributes, so that it runs under the strictest Content-Security-Policy. */
"use strict";
globalThis.farthingCharts = (() => {
  const NARROW = 560;
  const SERIES = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];
  const drawn = new Set();

  /* Numbers as people read them. */

  const grouped = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const significant = (value, digits) => Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 12 });
  const minus = (text) => text.replace("-", "\u2212");

  function usd(value) {
    const size = Math.abs(value);
    const sign = value < 0 ? "\u2212" : "";
    if (size === 0) return "$0";
    if (size >= 0.995) return `${sign}$${grouped(size, size >= 99_999.5 ? 0 : 2)}`;
    const text = significant(size, 3);
    return `${sign}$${text}${text.length === 3 ? "0" : ""}`;
  }

  function short(value) {
    const size = Math.abs(value);
    for (const [step, letter] of [[1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
      if (size >= step) return `${significant(value / (letter === "k" ? 1e3 : step), 3)}${letter}`;
    }
    return significant(value, size >= 1000 ? 4 : 3);
  }

  function milliseconds(value) {
    const size = Math.abs(value);
    if (size >= 59_950) return `${significant(value / 60_000, 3)} min`;
    return size >= 999.5 ? `${significant(value / 1000, 3)} s` : `${significant(value, 3)} ms`;
  }

  const FORMATS = {
    usd,
    ms: milliseconds,
    percent: (value) => `${significant(value * 100, 3)} %`,
    count: (value) => (Number.isInteger(value) && Math.abs(value) < 1e6 ? grouped(value, 0) : short(value)),
    tokens: short,
    number: (value) => significant(value, 3),
  };

  const format = (value, unit) => (value === null || value === undefined ? "unknown" : minus(FORMATS[unit](value)));
  const axisMoney = (value) => (Math.abs(value) >= 1e4 ? `${value < 0 ? "-" : ""}$${short(Math.abs(value))}` : usd(value).replace(/\.00$/, ""));
  const onAxis = (unit) => (value) => minus(unit === "usd" ? axisMoney(value) : FORMATS[unit](value));
  const pair = (number) => String(number).padStart(2, "0");

  function moment(unix_s) {
    const at = new Date(unix_s * 1000);
    return `${at.getUTCFullYear()}-${pair(at.getUTCMonth() + 1)}-${pair(at.getUTCDate())} ${pair(at.getUTCHours())}:${pair(at.getUTCMinutes())} UTC`;
  }

  /* Theme. */

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const tone = (name, index) => css(name ? `--${name}` : SERIES[index % SERIES.length]);
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  function axisLook(extra) {
    return {
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: css("--muted"), fontSize: 11, hideOverlap: true },
      splitLine: { show: false, lineStyle: { color: css("--line") } },
      ...extra,
    };
  }

  const valueAxis = (unit, name, extra) =>
    axisLook({
      type: "value", name, splitNumber: 4, nameTextStyle: { color: css("--muted"), fontSize: 11 },
      axisLabel: { color: css("--muted"), fontSize: 11, hideOverlap: true, formatter: onAxis(unit) },
      splitLine: { show: true, lineStyle: { color: css("--line") } }, ...extra,
    });

  const ending = (most) => (most === null || most === undefined ? {} : { max: most, interval: most / 4 });

  /* Tooltips, as elements: text stays text whatever it holds. */

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function bubble(title, rows) {
    const box = element("div", "tip");
    box.append(element("div", "tip-title", title));
    for (const [name, value, colour] of rows) {
      const row = element("div", "tip-row");
      const dot = element("span", "tip-dot");
      if (colour) dot.style.background = colour;
      row.append(dot, element("span", "tip-name", name), element("span", "tip-value", value));
      box.append(row);
    }
    return box;
  }

  const tooltip = (extra) => ({
    confine: true, transitionDuration: 0, padding: 0, borderWidth: 0, backgroundColor: "transparent", extraCssText: "box-shadow:none",
    axisPointer: { type: "shadow", shadowStyle: { color: css("--hover") }, lineStyle: { color: css("--muted"), type: "solid" } }, ...extra,
  });

  const interval = (low, high, unit) => (low === null || low === undefined ? "" : ` (${format(low, unit)} to ${format(high, unit)})`);

  function legend(names, narrow) {
    if (names.length < 2) return { show: false };
    return {
      show: true, data: names, top: 0, left: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, itemGap: narrow ? 10 : 16, type: "plain",
      textStyle: { color: css("--ink"), fontSize: 12 }, inactiveColor: css("--line"),
    };
  }

  /* A whisker from low to high, across the category axis. */
  function whisker(colour, sideways, offset) {
    return (_, api) => {
      const spread = (value) => api.coord(sideways ? [value, api.value(0)] : [api.value(0), value]);
      const [low, high] = [spread(api.value(1)), spread(api.value(2))];
      const shift = offset ? offset(api) : 0;
      const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 1.25 } });
      const cap = 4;
      const bars = sideways
        ? [line(low[0], low[1] + shift, high[0], high[1] + shift), ...[low, high].map(([x, y]) => line(x, y + shift - cap, x, y + shift + cap))]
        : [line(low[0] + shift, low[1], high[0] + shift, high[1]), ...[low, high].map(([x, y]) => line(x + shift - cap, y, x + shift + cap, y))];
      return { type: "group", silent: true, children: bars };
    };
  }

  const whiskers = (points, sideways, offset) => ({
    type: "custom", silent: true, z: 5, data: points, tooltip: { show: false }, renderItem: whisker(css("--ink"), sideways, offset),
    encode: sideways ? { y: 0, x: [1, 2] } : { x: 0, y: [1, 2] }, animation: false,
  });

  /* Charts. Each maker: (spec, narrow, width) -> ECharts option. */

  function waterfall(spec, narrow) {
    const steps = [];
    let level = spec.start;
    steps.push({ name: spec.start_label, from: 0, to: level, amount: level, colour: css("--baseline"), whole: true });
    for (const { name, saved, low, high, note } of spec.steps) {
      const ranged = low !== null && high !== null;
      const step = { name, note, amount: -saved, low: ranged ? -high : null, high: ranged ? -low : null };
      steps.push({ ...step, from: level, to: level - saved, colour: css(saved >= 0 ? "--good" : "--bad") });
      level -= saved;
    }
    steps.push({ name: spec.end_label, from: 0, to: level, amount: level, colour: css("--accent"), whole: true });
    return waterfallOption(spec, steps, narrow);
  }

  function waterfallOption(spec, steps, sideways) {
    const base = (step) => step.from + (step.low ?? step.amount);
    const names = axisLook({
      type: "category", data: steps.map((step) => step.name), inverse: sideways,
      axisLabel: { color: css("--ink"), fontSize: 12, interval: 0, width: sideways ? 96 : 84, overflow: "break", lineHeight: 14 },
    });
    const money = valueAxis(spec.unit, "", sideways ? { axisLabel: { show: false }, splitLine: { show: false } } : {});
    return {
      grid: { left: sideways ? 4 : 8, right: sideways ? 76 : 12, top: 24, bottom: 4, outerBoundsMode: "same" },
      xAxis: sideways ? money : names,
      yAxis: sideways ? names : money,
      tooltip: tooltip({
        trigger: "axis",
        formatter: ([{ dataIndex }]) => {
          const step = steps[dataIndex];
          const rows = [[step.whole ? "Total" : step.amount <= 0 ? "Saves" : "Costs", `${format(step.whole ? step.amount : Math.abs(step.amount), spec.unit)}`, step.colour]];
          if (step.low !== null && step.low !== undefined) rows.push(["between", `${format(-step.high, spec.unit)} and ${format(-step.low, spec.unit)}`]);
          if (!step.whole && spec.start) rows.push(["of the start", format(Math.abs(step.amount) / spec.start, "percent")]);
          if (step.note) rows.push([step.note, ""]);
          return bubble(step.name, rows);
        },
      }),
      series: [
        {
          type: "custom", encode: sideways ? { y: 0, x: [1, 2] } : { x: 0, y: [1, 2] },
          data: steps.map((step, i) => [i, step.from, step.to]),
          renderItem: (params, api) => waterfallBar(api, steps, spec.unit, sideways, params),
        },
        whiskers(
          steps.flatMap((step, i) => (step.low === null || step.low === undefined ? [] : [[i, base(step), step.from + step.high]])), sideways),
      ],
    };
  }

  function waterfallBar(api, steps, unit, sideways, params) {
    const i = api.value(0);
    const step = steps[i];
    const at = (value) => api.coord(sideways ? [value, i] : [i, value]);
    const [from, to] = [at(step.from), at(step.to)];
    const band = api.size([1, 1])[sideways ? 1 : 0];
    const thick = Math.min(band * 0.62, 64);
    const [low, high] = sideways ? [Math.min(from[0], to[0]), Math.max(from[0], to[0])] : [Math.min(from[1], to[1]), Math.max(from[1], to[1])];
    const length = Math.max(high - low, 1.5);
    const middle = sideways ? from[1] : from[0];
    const shape = sideways
      ? { x: low, y: middle - thick / 2, width: length, height: thick, r: 3 }
      : { x: middle - thick / 2, y: low, width: thick, height: length, r: 3 };
    const text = step.whole ? format(step.amount, unit) : `${step.amount <= 0 ? "\u2212" : "+"}${format(Math.abs(step.amount), unit)}`;
    const reach = step.high !== undefined && step.high !== null ? at(step.from + Math.max(step.high, 0)) : null;
    const children = [
      { type: "rect", shape, style: { fill: step.colour } },
      {
        type: "text", silent: true,
        style: {
          text, fill: css("--ink"), font: `600 12px ${css("--sans")}`,
          x: sideways ? Math.max(high, reach ? reach[0] : high) + 6 : middle,
          y: sideways ? middle : Math.min(low, reach ? reach[1] : low) - 6,
          align: sideways ? "left" : "center", verticalAlign: sideways ? "middle" : "bottom",
        },
      },
    ];
    if (i < steps.length - 1) {
      const next = sideways ? { x1: to[0], y1: middle + thick / 2, x2: to[0], y2: middle + band - thick / 2 }
        : { x1: middle + thick / 2, y1: to[1], x2: middle + band - thick / 2, y2: to[1] };
      children.push({ type: "line", silent: true, shape: next, style: { stroke: css("--muted"), lineWidth: 1, opacity: 0.5 } });
    }
    return { type: "group", children, info: params.dataIndex };
  }

  /* Bars lie down where their names would not fit under them. */
  function isSideways(spec, width) {
    const room = (width - 60) / spec.categories.length;
    return spec.sideways || (width < NARROW && spec.categories.some((name) => Math.max(...name.split(/[\s-]/).map((word) => word.length)) * 7 > room));
  }

  function bars(spec, narrow, width) {
    const sideways = isSideways(spec, width);
    const names = axisLook({
      type: "category", data: spec.categories, inverse: sideways,
      axisLabel: {
        color: css("--ink"), fontSize: 12, interval: 0, lineHeight: 14,
        ...(sideways ? { width: Math.min(150, 8 + 7.2 * Math.max(...spec.categories.map((name) => name.length))), overflow: "truncate" } : { width: Math.max((width - 60) / spec.categories.length - 6, 40), overflow: "break" }),
      },
    });
    const said = sideways && spec.series.length === 1; // each bar has its figure beside it
    const values = valueAxis(spec.unit, "", { ...ending(spec.most), ...(said ? { axisLabel: { show: false }, splitLine: { show: false } } : {}) });
    const count = spec.stacked ? 1 : spec.series.length;
    const shift = (index) => (api) => {
      const band = api.size([1, 1])[sideways ? 1 : 0];
      const one = Math.min((band * 0.7) / count, 36);
      return (index - (count - 1) / 2) * one * (count > 1 ? 1.08 : 1);
    };
    const series = spec.series.map((one, i) => ({
      type: "bar", name: one.name, data: one.values, stack: spec.stacked ? "all" : undefined, barMaxWidth: 36, barGap: "8%", barCategoryGap: "30%",
      itemStyle: { color: tone(one.tone, i), borderRadius: spec.stacked ? 0 : sideways ? [0, 3, 3, 0] : [3, 3, 0, 0] },
      label: { show: said, position: "right", color: css("--ink"), fontSize: 12, formatter: ({ value }) => format(value, spec.unit) },
    }));
    const ranges = spec.series.flatMap((one, i) =>
      one.low.length ? [whiskers(one.low.flatMap((low, at) => (low === null ? [] : [[at, low, one.high[at]]])), sideways, spec.stacked ? null : shift(i))] : []);
    return {
      grid: { left: 4, right: said ? 72 : 16, top: spec.series.length > 1 ? 40 : 14, bottom: 4, outerBoundsMode: "same" },
      legend: legend(spec.series.map((one) => one.name), narrow),
      xAxis: sideways ? values : names,
      yAxis: sideways ? names : values,
      tooltip: tooltip({
        trigger: "axis",
        formatter: (shown) => bubble(spec.categories[shown[0].dataIndex], spec.series.flatMap((one, i) => {
          const at = shown[0].dataIndex;
          return one.values[at] === null ? [] : [[one.name, format(one.values[at], spec.unit) + interval(one.low[at], one.high[at], spec.unit), tone(one.tone, i)]];
        })),
      }),
      series: [...series, ...ranges],
    };
  }

  function marks(lines, across) {
    if (!lines || !lines.length) return undefined;
    return {
      silent: true, symbol: "none", animation: false,
      lineStyle: { color: css("--muted"), type: [4, 4], width: 1.25 },
      label: { color: css("--muted"), fontSize: 11, position: across ? "end" : "insideEndTop", formatter: ({ name }) => name },
      data: lines.map((line) => ({ name: line.label, [across ? "xAxis" : "yAxis"]: line.value })),
    };
  }

  function lines(spec, narrow) {
    const dated = spec.x === "time";
    const at = (x) => (dated ? x * 1000 : x);
    const gap = dated && spec.step_s;
    const known = (points, n) => n >= 0 && n < points.length && points[n][1] !== null;
    const alone = (points, n) => known(points, n) && !known(points, n - 1) && !known(points, n + 1); // a line of one point is a dot
    const series = spec.series.map((one, i) => ({
      type: spec.columns ? "bar" : "line", name: one.name, stack: spec.stacked ? "all" : undefined,
      data: one.points.map(([x, y], n) => (alone(one.points, n) ? { value: [at(x), y], symbol: "circle" } : [at(x), y])),
      symbol: "none", showSymbol: true, symbolSize: 6, connectNulls: false,
      lineStyle: { width: spec.stacked ? 0.5 : 1.75, type: one.dashed ? [5, 4] : "solid" }, barCategoryGap: "12%", itemStyle: { color: tone(one.tone, i) }, barMaxWidth: 28,
      areaStyle: spec.stacked && !spec.columns ? { opacity: 0.75 } : undefined, emphasis: { disabled: true },
      markLine: i === 0 ? marks(spec.thresholds, false) : undefined,
    }));
    return {
      useUTC: true,
      grid: { left: 4, right: 18, top: spec.series.length > 1 ? 40 : 14, bottom: 4, outerBoundsMode: "same" },
      legend: legend(spec.series.map((one) => one.name), narrow),
      xAxis: axisLook({
        type: dated ? "time" : "value", name: spec.x_label || "", nameLocation: "middle", nameGap: 26, splitNumber: narrow ? 3 : 6, minInterval: gap ? spec.step_s * 1000 : undefined,
        ...(dated ? {} : { min: "dataMin", max: "dataMax", axisLabel: { color: css("--muted"), fontSize: 11, hideOverlap: true, formatter: onAxis(spec.x) } }),
        nameTextStyle: { color: css("--muted"), fontSize: 11 },
      }),
      yAxis: valueAxis(spec.unit, "", ending(spec.most)),
      tooltip: tooltip({
        trigger: "axis", axisPointer: { type: spec.columns ? "shadow" : "line", lineStyle: { color: css("--muted") }, shadowStyle: { color: css("--hover") } },
        formatter: (shown) => bubble(
          dated ? moment(shown[0].value[0] / 1000) : `${spec.x_label || ""} ${format(shown[0].value[0], spec.x)}`.trim(),
          shown.filter((one) => one.value[1] !== null).map((one) => [one.seriesName, format(one.value[1], spec.unit), one.color])),
      }),
      series,
    };
  }

  function frontier(spec, narrow) {
    const groups = [...new Set(spec.points.map((point) => point.group))];
    const best = spec.points.filter((point) => point.best).sort((a, b) => a.x - b.x);
    const spans = spec.points.map((point) => [point.x, point.y, point.x_low ?? point.x, point.x_high ?? point.x, point.y_low ?? point.y, point.y_high ?? point.y]);
    const cross = (_, api) => {
      const to = (x, y) => api.coord([x, y]);
      const [l, r, b, t] = [to(api.value(2), api.value(1)), to(api.value(3), api.value(1)), to(api.value(0), api.value(4)), to(api.value(0), api.value(5))];
      const line = (from, end) => ({ type: "line", shape: { x1: from[0], y1: from[1], x2: end[0], y2: end[1] }, style: { stroke: css("--muted"), lineWidth: 1, opacity: 0.7 } });
      return { type: "group", silent: true, children: [line(l, r), line(b, t)] };
    };
    return {
      grid: { left: 4, right: narrow ? 24 : 60, top: groups.length > 1 ? 44 : 24, bottom: 4, outerBoundsMode: "same" },
      legend: legend(groups, narrow),
      xAxis: valueAxis(spec.x_unit, spec.x_label, { nameLocation: "middle", nameGap: 28, scale: spec.x_scale }),
      yAxis: valueAxis(spec.y_unit, spec.y_label, { nameLocation: "end", nameGap: 10, nameTextStyle: { color: css("--muted"), fontSize: 11, align: "left" }, scale: true }),
      tooltip: tooltip({
        trigger: "item",
        formatter: ({ data, color }) => {
          const point = spec.points[data[2]];
          const rows = [
            [spec.x_label, format(point.x, spec.x_unit) + interval(point.x_low, point.x_high, spec.x_unit), color],
            [spec.y_label, format(point.y, spec.y_unit) + interval(point.y_low, point.y_high, spec.y_unit)],
          ];
          return bubble(point.name, point.note ? [...rows, [point.note, ""]] : rows);
        },
      }),
      series: [
        { type: "line", data: best.map((point) => [point.x, point.y]), symbol: "none", silent: true, lineStyle: { color: css("--accent"), width: 1.5, type: [5, 4] }, z: 1, tooltip: { show: false } },
        { type: "custom", data: spans, renderItem: cross, silent: true, encode: { x: [0, 2, 3], y: [1, 4, 5] }, z: 2, tooltip: { show: false } },
        ...groups.map((group, i) => ({
          type: "scatter", name: group, symbolSize: 11, itemStyle: { color: tone(null, i), borderColor: css("--surface"), borderWidth: 1.5 }, z: 3,
          data: spec.points.flatMap((point, at) => (point.group === group ? [[point.x, point.y, at]] : [])),
          label: { show: spec.points.length <= 16, position: "top", color: css("--ink"), fontSize: 11, formatter: ({ data }) => spec.points[data[2]].name },
          labelLayout: { hideOverlap: true },
        })),
      ],
    };
  }

  function histogram(spec, narrow) {
    const { edges } = spec;
    const middles = edges.slice(1).map((edge, i) => (edges[i] + edge) / 2);
    const bar = (index) => (_, api) => {
      const at = api.value(0);
      const below = spec.series.slice(0, index).reduce((sum, one) => sum + one.values[at], 0);
      const [left, top] = api.coord([edges[at], below + api.value(2)]);
      const [right, bottom] = api.coord([edges[at + 1], below]);
      return { type: "rect", shape: { x: left + 0.75, y: top, width: Math.max(right - left - 1.5, 1), height: bottom - top }, style: { fill: tone(spec.series[index].tone, index) } };
    };
    const tops = middles.map((_, at) => spec.series.reduce((sum, one) => sum + one.values[at], 0));
    return {
      grid: { left: 4, right: 16, top: spec.series.length > 1 ? 40 : 22, bottom: 4, outerBoundsMode: "same" },
      legend: legend(spec.series.map((one) => one.name), narrow),
      color: spec.series.map((one, i) => tone(one.tone, i)),
      xAxis: valueAxis(spec.x_unit, spec.x_label, { nameLocation: "middle", nameGap: 26, min: edges[0], max: edges.at(-1), interval: (edges.at(-1) - edges[0]) / 5, splitLine: { show: false } }),
      yAxis: valueAxis("count", "", { max: Math.max(...tops, 1) * 1.06, axisLabel: { color: css("--muted"), fontSize: 11, showMaxLabel: false, formatter: onAxis("count") } }),
      tooltip: tooltip({
        trigger: "item",
        formatter: ({ data }) => bubble(`${format(edges[data[0]], spec.x_unit)} to ${format(edges[data[0] + 1], spec.x_unit)}`,
          spec.series.map((one, i) => [one.name, format(one.values[data[0]], "count"), tone(one.tone, i)])),
      }),
      series: spec.series.map((one, i) => ({
        type: "custom", name: one.name, renderItem: bar(i), encode: { x: 1, y: 3 }, markLine: i === 0 ? marks(spec.thresholds, true) : undefined,
        data: one.values.map((count, at) => [at, middles[at], count, tops[at]]),
      })),
    };
  }

  const MAKERS = { waterfall, bars, lines, frontier, histogram };

  /* Drawing. */

  function height(spec, narrow, width) {
    if (spec.type === "waterfall" && narrow) return 44 + 40 * (spec.steps.length + 2);
    if (spec.type === "bars" && isSideways(spec, width)) return 60 + spec.categories.length * Math.max(24, 12 * (spec.stacked ? 1 : spec.series.length) + 12);
    return spec.height_px || 280;
  }

  function draw(box, spec) {
    const chart = globalThis.echarts.init(box, null, { renderer: "canvas", height: spec.height_px || 280 });
    let width = 0;
    const handle = {
      paint() {
        const narrow = box.clientWidth < NARROW;
        width = box.clientWidth;
        const tall = height(spec, narrow, width);
        box.style.height = `${tall}px`;
        chart.resize({ height: tall });
        chart.setOption({
          animation: !still() && !handle.painted, animationDuration: 350, textStyle: { fontFamily: css("--sans") },
          aria: { enabled: true, label: { description: `${spec.title}. ${spec.summary}` } }, ...MAKERS[spec.type](spec, narrow, box.clientWidth),
        }, { notMerge: true });
        handle.painted = true;
      },
      update(next) {
        spec = next;
        handle.paint();
      },
      dispose() {
        watcher.disconnect();
        drawn.delete(handle);
        chart.dispose();
      },
    };
    const watcher = new ResizeObserver(() => {
      if (box.clientWidth && box.clientWidth !== width) handle.paint();
    });
    handle.paint();
    watcher.observe(box);
    drawn.add(handle);
    return handle;
  }

  const repaint = () => drawn.forEach((handle) => handle.paint());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  return { draw, format, moment, repaint };
})();
