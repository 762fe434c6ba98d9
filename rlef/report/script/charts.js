// Draws the charts from data with Chart.js; draws them again when the theme changes.
(() => {
  "use strict";
  const { data, make, colour, percent } = RLEF;
  const several = data.runs.length > 1;
  const drawn = new Map();
  let run = 0;
  let stage = Infinity;

  const ENDS = {
    "accepted": "accepted", "passes public tests only": "public", "wrong answer": "wrong", "runtime error": "runtime",
    "time limit": "time", "memory limit": "memory", "output limit": "output", "compile error": "compile",
    "security violation": "security", "no program": "none", "sandbox failure": "ours", "checker failure": "ours",
  };
  const endColour = (end) => colour(`end-${ENDS[end] || "none"}`);
  const runColour = (number) => colour(`run${number % 6}`);
  const faint = (hex, share) => `${hex}${Math.round(255 * share).toString(16).padStart(2, "0")}`;
  const plain = (value) => (Math.abs(value) >= 0.01 || value === 0 ? String(+value.toPrecision(3)) : value.toExponential(1));

  // Interval bars through the points of datasets that ask for them.
  const intervals = {
    id: "intervals",
    afterDatasetsDraw(chart) {
      chart.data.datasets.forEach((set, index) => {
        if (!set.bars || !chart.isDatasetVisible(index)) return;
        const { ctx, scales: { y } } = chart;
        ctx.save();
        ctx.strokeStyle = set.borderColor;
        ctx.lineWidth = 1.5;
        chart.getDatasetMeta(index).data.forEach((mark, i) => {
          if (set.bars[i][0] === null) return;
          ctx.beginPath();
          ctx.moveTo(mark.x, y.getPixelForValue(set.bars[i][0]));
          ctx.lineTo(mark.x, y.getPixelForValue(set.bars[i][1]));
          ctx.stroke();
        });
        ctx.restore();
      });
    },
  };

  function show(id, config, label) {
    const canvas = document.getElementById(id);
    if (!canvas) return;
    if (drawn.has(id)) drawn.get(id).destroy();
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    drawn.set(id, new Chart(canvas, config));
  }

  function axis(title, more = {}) {
    return {
      title: { display: Boolean(title), text: title, color: colour("soft"), font: { size: 11 } },
      ticks: { color: colour("soft"), font: { size: 11 }, maxRotation: 0, ...more.ticks },
      grid: { color: colour("grid"), drawTicks: false },
      border: { display: false },
      ...more.rest,
    };
  }

  function options(scales, tooltip, legend) {
    return {
      animation: false, responsive: true, maintainAspectRatio: false, scales,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      plugins: {
        legend: {
          display: legend, position: "bottom",
          labels: { color: colour("soft"), usePointStyle: true, pointStyle: "line", font: { size: 11 }, filter: (item) => item.text },
        },
        tooltip: { callbacks: tooltip, filter: (item) => Boolean(item.dataset.mine) },
      },
    };
  }

  // A line chart with bands, or with bars through few points. Colours are runs, or series in a chart of one run apart.
  function lines(spec, id) {
    const format = spec.percent ? percent : plain;
    const sets = [];
    const said = [];
    for (const [place, series] of spec.series.entries()) {
      const name = [several && !spec.apart && data.runs[series.run], series.label].filter(Boolean).join(", ");
      const stroke = runColour(spec.apart ? place : series.run);
      const points = series.points.map(([x, y]) => ({ x, y }));
      const few = series.marks || points.length < 5;
      const known = series.points.some((point) => point[2] !== null);
      if (known && !few && !series.dash) {
        const edge = { pointRadius: 0, borderWidth: 0, backgroundColor: faint(stroke, 0.16), label: "" };
        sets.push({ ...edge, data: series.points.map(([x, , low]) => ({ x, y: low })), fill: false });
        sets.push({ ...edge, data: series.points.map(([x, , , high]) => ({ x, y: high })), fill: "-1" });
      }
      sets.push({
        label: name, mine: series, data: points, borderColor: stroke, backgroundColor: few ? stroke : faint(stroke, 0),
        borderWidth: 2, borderDash: series.dash ? [5, 4] : [], pointRadius: few ? 3.5 : 0, pointHitRadius: 12, tension: 0,
        bars: known && few ? series.points.map(([, , low, high]) => [low, high]) : null,
      });
      const [start, end] = [points[0], points[points.length - 1]];
      said.push(`${name || spec.title}: ${format(start.y)} at ${spec.axis} ${start.x}, ${format(end.y)} at ${end.x}`);
    }
    const turns = Math.max(...spec.series.flatMap((series) => series.points.map((point) => point[0])));
    const inside = (value) => spec.axis !== "turn" || (value >= 1 && value <= turns);
    const whole = (value) => (Number.isInteger(value) && inside(value) ? String(value) : "");
    const share = spec.percent ? (value) => `${Math.round(100 * value)} %` : plain;
    const top = Math.max(...spec.series.flatMap((series) => series.points.map((point) => point[3] ?? point[1])));
    const scales = {
      x: axis(spec.axis, { ticks: { callback: whole }, rest: { type: "linear", grace: spec.axis === "turn" ? 0.2 : 0 } }),
      y: axis("", { ticks: { callback: share, maxTicksLimit: 6 }, rest: spec.percent ? { beginAtZero: true, suggestedMax: top } : {} }),
    };
    const tooltip = {
      title: (items) => (items.length ? `${spec.axis} ${items[0].parsed.x}` : ""),
      label: (item) => {
        const [, y, low, high] = item.dataset.mine.points[item.dataIndex];
        const range = low === null ? "" : ` (${format(low)} – ${format(high)})`;
        return `${item.dataset.label ? `${item.dataset.label}: ` : ""}${format(y)}${range}`;
      },
    };
    const legend = (spec.apart || !several) && sets.filter((set) => set.label).length > 1;
    show(id, { type: "line", data: { datasets: sets }, options: options(scales, tooltip, legend), plugins: [intervals] },
      `${spec.title}, ${spec.unit}. ${said.join(". ")}.`);
  }

  // How a turn ended, stacked, over training.
  function mixes() {
    const place = document.getElementById("mixes");
    if (!place) return;
    const all = data.mixes[run];
    for (const id of [...drawn.keys()].filter((id) => id.startsWith("mix-"))) {
      drawn.get(id).destroy();
      drawn.delete(id);
    }
    const seen = data.endings.filter((end) => all.some((mix) => mix.endings.some(([name]) => name === end)));
    const legend = seen.map((end) => {
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.background = endColour(end);
      return make("li", {}, swatch, end);
    });
    document.getElementById("mix-legend").replaceChildren(...legend);
    place.replaceChildren(...all.map((mix) => make("figure", {},
      make("figcaption", {}, `Turn ${mix.turn} `, make("span", { class: "soft" }, "share of its answers")),
      make("div", { class: "canvas" }, make("canvas", { id: `mix-${mix.turn}` })))));
    for (const mix of all) {
      const sets = mix.endings.map(([end, shares]) => ({
        label: end, data: shares, mine: true, backgroundColor: endColour(end), borderWidth: 0, barPercentage: 1,
        categoryPercentage: 0.92,
      }));
      const scales = {
        x: axis("update", { rest: { stacked: true, grid: { display: false } }, ticks: { maxTicksLimit: 8 } }),
        y: axis("", { rest: { stacked: true, min: 0, max: 1 }, ticks: { callback: (v) => `${Math.round(100 * v)} %`, maxTicksLimit: 5 } }),
      };
      const tooltip = {
        title: (items) => (items.length ? `update ${items[0].label}, ${mix.turns[items[0].dataIndex]} answers` : ""),
        label: (item) => `${item.dataset.label}: ${percent(item.parsed.y)}`,
      };
      const config = { type: "bar", data: { labels: mix.x, datasets: sets }, options: options(scales, tooltip, false) };
      config.options.interaction = { mode: "index", intersect: false };
      const last = mix.x.length - 1;
      show(`mix-${mix.turn}`, config, `How turn ${mix.turn} ended: ${mix.endings.map(([end, s]) => `${end} ${percent(s[0])} at first, ${percent(s[last])} at last`).join("; ")}.`);
    }
  }

  // What each failure became, as a Sankey diagram and as a table.
  function flows() {
    const place = document.getElementById("stages");
    if (!place) return;
    const stages = data.flows[run];
    stage = Math.min(stage, stages.length - 1);
    place.replaceChildren(...stages.map((one, number) => {
      const button = make("button", { type: "button", "aria-pressed": String(number === stage) }, one.label);
      button.addEventListener("click", () => { stage = number; flows(); place.children[number].focus(); });
      return button;
    }));
    if (!stages.length) return;
    const list = stages[stage].flows;
    const key = (turn, end) => `${turn} ${end}`;
    const narrow = window.innerWidth < 600; // no room for the labels of inner columns
    const last = Math.max(...list.map((flow) => flow[0]));
    const labels = {};
    const column = {};
    const priority = {};
    for (const [turn, from, to] of list) {
      for (const [at, end] of [[turn, from], [turn + 1, to]]) {
        labels[key(at, end)] = narrow && at > 1 && at <= last ? " " : end;
        column[key(at, end)] = at - 1;
        priority[key(at, end)] = (data.endings.indexOf(end) + 100) % 100;
      }
    }
    const end = (name) => endColour(name.slice(name.indexOf(" ") + 1));
    const set = {
      data: list.map(([turn, from, to, flow]) => ({ from: key(turn, from), to: key(turn + 1, to), flow })),
      labels, column, priority, mine: true, colorFrom: (c) => end(c.raw.from), colorTo: (c) => end(c.raw.to),
      colorMode: "gradient", color: colour("text"), borderWidth: 0, nodeWidth: 12, size: "max", alpha: 0.5,
      font: { size: 12 },
    };
    const tooltip = {
      title: () => "",
      label: (item) => {
        const { from, to, flow } = item.raw;
        return `turn ${column[from] + 1} ${labels[from]} → turn ${column[to] + 1} ${labels[to]}: ${flow}`;
      },
    };
    const config = { type: "sankey", data: { datasets: [set] }, options: options({}, tooltip, false) };
    delete config.options.scales;
    config.options.interaction = { mode: "nearest", intersect: true };
    config.options.layout = { padding: { top: 8, bottom: 8 } };
    show("chart-flows", config, `Repair flows, ${stages[stage].label}; the table below has the numbers.`);
    table(list);
  }

  function table(list) {
    const from = data.endings.filter((end) => list.some((flow) => flow[1] === end));
    const to = data.endings.filter((end) => list.some((flow) => flow[2] === end));
    const count = (a, b) => list.filter((flow) => flow[1] === a && flow[2] === b).reduce((sum, flow) => sum + flow[3], 0);
    const head = make("tr", {}, make("th", { scope: "col" }, "became →"), ...to.map((end) => make("th", { scope: "col" }, end)));
    const rows = from.map((a) => make("tr", {}, make("th", { scope: "row" }, a), ...to.map((b) => make("td", {}, String(count(a, b) || "")))));
    document.getElementById("flow-table").replaceChildren(
      make("table", { class: "flows" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  function all() {
    for (const spec of [...data.charts, ...data.selection]) lines(spec, `chart-${spec.id}`);
    if (data.byTurn) lines(data.byTurn, "chart-by-turn");
    mixes();
    flows();
  }

  const pick = document.getElementById("run");
  if (pick) {
    pick.replaceChildren(...data.runs.map((name, number) => make("option", { value: number }, name)));
    pick.addEventListener("change", () => { run = Number(pick.value); mixes(); flows(); });
  }
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  RLEF.onTheme(all);
  all();
})();
