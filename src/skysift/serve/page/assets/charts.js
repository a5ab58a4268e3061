"use strict";
// Charts of uPlot in the colours of the page, with a unit on every axis and time in UTC.
(() => {
  const HEIGHT = 215;
  const NEWEST = 900; // samples of the pulse that are kept
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--plot-${name}`).trim();
  const short = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString());
  const clock = (seconds) => (seconds === null || seconds === undefined ? "–" : new Date(seconds * 1000).toISOString().slice(11, 19));

  function axis(label, extra) {
    return {
      label,
      labelSize: 20,
      stroke: colour("ink"),
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { stroke: colour("grid"), width: 1 },
      labelFont: "12px system-ui, sans-serif",
      font: "12px system-ui, sans-serif",
      ...extra,
    };
  }

  // Times of day; with the date where there are several.
  function times(_, splits) {
    const span = splits.length > 1 ? splits[splits.length - 1] - splits[0] : 0;
    return splits.map((seconds) => {
      const text = new Date(seconds * 1000).toISOString();
      if (span > 86400) return `${text.slice(5, 10)} ${text.slice(11, 16)}`;
      return seconds % 60 === 0 ? text.slice(11, 16) : text.slice(11, 19);
    });
  }

  function line(label, name, extra) {
    return { label, stroke: colour(name), width: 1.6, points: { show: false }, value: (_, v) => short(v), ...extra };
  }

  function options(place, series, axes, extra) {
    const scales = { x: { range: around }, ...extra.scales };
    const { plugins = [] } = extra;
    return {
      width: Math.max(place.clientWidth, 200),
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false } },
      scales,
      series: [{ label: "UTC", value: (_, v) => clock(v) }, ...series],
      axes: [axis("time [UTC]", { size: 32, space: 70, values: times }), ...axes],
      plugins,
      // The last time of day must not be cut off where no axis stands on the right.
      padding: [null, axes.length > 1 ? null : 30, null, null],
    };
  }

  // Of a single moment uPlot would show years, and of a few seconds the same second several times.
  const SHORTEST = 10; // s
  const around = (chart) => {
    const moments = chart.data[0];
    const [first, last] = [moments[0], moments[moments.length - 1]];
    const room = Math.max(0, SHORTEST - (last - first)) / 2;
    return [first - room, last + room];
  };

  // Values from 0 to the highest, with some room, also of nothing at all.
  const fromZero = (_, low, high) => [0, high > 0 ? high * 1.1 : 1];

  const PULSE = { time: [], rate: [], backlog: [], p50: [], p95: [], p99: [] };
  const kinds = {
    rate: {
      columns: () => [PULSE.time, PULSE.rate, PULSE.backlog],
      options: (place) => options(
        place,
        [line("rate", "signal"), line("backlog", "background", { scale: "waiting", dash: [6, 4] })],
        [axis("records/s (solid)", { size: 56 }), axis("waiting records (dashed)", { size: 50, scale: "waiting", side: 1, grid: { show: false } })],
        { scales: { y: { range: fromZero }, waiting: { range: (_, low, high) => [0, Math.max(high || 0, 1) * 1.1] } } },
      ),
    },
    latency: {
      columns: () => [PULSE.time, PULSE.p50, PULSE.p95, PULSE.p99],
      options: (place) => options(
        place,
        [line("p50", "signal"), line("p95", "orange", { dash: [6, 4] }), line("p99", "background", { dash: [2, 3] })],
        [axis("latency [s]", { size: 52 })],
        { scales: { y: { range: fromZero } }, plugins: [rule(Number(place.dataset.deadline), "deadline")] },
      ),
    },
    curve: {
      columns: (data) => [data.time, data.value, data.low, data.high, data.limit],
      options: (place, data) => options(
        place,
        [
          line(data.label, "signal", { paths: () => null, points: { show: true, size: 5, fill: colour("signal"), stroke: colour("signal") } }),
          line("low", "muted", { paths: () => null }),
          line("high", "muted", { paths: () => null }),
          line("95 % limit", "background", { paths: () => null }),
        ],
        [axis(data.label, { size: 56 })],
        { scales: { y: { range: padded } }, plugins: [errors()] },
      ),
    },
  };

  function padded(_, low, high) {
    if (low === null) return [0, 1];
    const room = Math.max((high - low) * 0.08, 1e-3);
    return [Math.min(low, 0) - room, high + room];
  }

  function rule(value, label) {
    return { hooks: { draw: (chart) => {
      if (!(value > 0) || value > chart.scales.y.max) return;
      const { ctx, bbox } = chart;
      const y = chart.valToPos(value, "y", true);
      ctx.save();
      ctx.strokeStyle = colour("muted");
      ctx.fillStyle = colour("muted");
      ctx.setLineDash([8, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.textAlign = "left";
      ctx.textBaseline = "bottom";
      ctx.fillText(label, bbox.left + 6, y - 4);
      ctx.restore();
    } } };
  }

  // Errors of one standard deviation as bars; upper limits as arrows that point down.
  function errors() {
    return { hooks: { draw: (chart) => {
      const { ctx } = chart;
      const [time, , low, high, limit] = chart.data;
      const head = 4 * devicePixelRatio;
      ctx.save();
      ctx.lineWidth = 1.2 * devicePixelRatio;
      for (let i = 0; i < time.length; i += 1) {
        const x = chart.valToPos(time[i], "x", true);
        ctx.beginPath();
        if (limit[i] !== null) {
          const y = chart.valToPos(limit[i], "y", true);
          ctx.strokeStyle = colour("background");
          ctx.moveTo(x - head, y);
          ctx.lineTo(x + head, y);
          ctx.moveTo(x, y);
          ctx.lineTo(x, y + 3 * head);
          ctx.lineTo(x - head / 2, y + 2 * head);
          ctx.moveTo(x, y + 3 * head);
          ctx.lineTo(x + head / 2, y + 2 * head);
        } else if (low[i] !== null && high[i] !== null) {
          ctx.strokeStyle = colour("signal");
          ctx.moveTo(x, chart.valToPos(low[i], "y", true));
          ctx.lineTo(x, chart.valToPos(high[i], "y", true));
        }
        ctx.stroke();
      }
      ctx.restore();
    } } };
  }

  const places = [...document.querySelectorAll(".chart")].map((place) => ({ place, chart: null, data: null }));
  if (places.length === 0) return;

  function draw(one, anew) {
    const kind = kinds[one.place.dataset.chart];
    const columns = kind.columns(one.data);
    if (anew && one.chart !== null) {
      one.chart.destroy();
      one.chart = null;
    }
    if (one.chart === null) one.chart = new uPlot(kind.options(one.place, one.data), columns, one.place);
    else one.chart.setData(columns);
  }

  async function ask(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return answer.ok ? answer.json() : null;
  }

  const pulses = places.filter((one) => one.place.dataset.chart !== "curve");
  const curves = places.filter((one) => one.place.dataset.chart === "curve");
  let asking = false;

  async function beat() {
    if (asking || pulses.length === 0) return;
    asking = true;
    try {
      const after = PULSE.time.length ? PULSE.time[PULSE.time.length - 1] : 0;
      const more = await ask(`/series/pulse?after=${after}`);
      if (more === null || more.time.length === 0) return;
      for (const name of Object.keys(PULSE)) PULSE[name] = PULSE[name].concat(more[name]).slice(-NEWEST);
      for (const one of pulses) draw(one, false);
    } catch {
      // The connection is lost; the stream of changes says so and asks again.
    } finally {
      asking = false;
    }
  }

  async function curve() {
    for (const one of curves) {
      try {
        const data = await ask(one.place.dataset.address);
        if (data === null || data.time.length === 0) continue;
        const isOther = one.data !== null && one.data.label !== data.label;
        one.data = data;
        draw(one, isOther);
      } catch {
        // As above.
      }
    }
  }

  document.body.addEventListener("night:health", beat);
  document.body.addEventListener("night:sky", curve);
  const again = (one) => { if (one.chart !== null) draw(one, true); };
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.forEach(again));
  const sizes = new ResizeObserver((entries) => {
    for (const one of places) {
      if (one.chart !== null && entries.some((entry) => entry.target === one.place)) {
        one.chart.setSize({ width: Math.max(one.place.clientWidth, 200), height: HEIGHT });
      }
    }
  });
  for (const one of places) sizes.observe(one.place);
  beat();
  curve();
})();
