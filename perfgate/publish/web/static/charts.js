"use strict";
{
  const page = JSON.parse(document.querySelector("#document").textContent);
  const known = page.known === null ? null : new Set(page.known);
  const HEIGHT = 210;
  const TALL = 360;
  const PRINTED_WIDTH = 660;
  const LEVEL = 7; // runs whose median is the level, as in perfgate/trend/drift.py
  const STEP = 10; // points that an arrow with Shift goes
  const NEAR = 30; // pixels within which a click means a point
  const DOUBLE_CLICK_MS = 300;
  const ROOM = 0.25; // of the height, at least, is for the line itself, however far off a budget is
  const drawn = new Map();
  let zoom = null;

  // Colours come from the sheet of style; the browser resolves them for the present theme.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  let colours = {};
  const readColours = () => {
    for (const name of ["text", "soft", "edge", "fail", "pass", "new", "base", "warn"]) {
      probe.style.color = `var(--${name})`;
      colours[name] = getComputedStyle(probe).color;
    }
  };
  readColours();

  const median = (values) => {
    const sorted = values.slice().sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  /** The median of the last points, of those only since the last level shift; an exact value is its own level. */
  const levels = (chart, when) => {
    if (chart.exact) return chart.values;
    let [shift, begin] = [0, 0];
    return chart.values.map((_, i) => {
      while (shift < chart.marks.length && when[i] >= chart.marks[shift][0]) [shift, begin] = [shift + 1, i];
      return median(chart.values.slice(Math.max(begin, i - LEVEL + 1), i + 1));
    });
  };

  const times = (chart) => (chart.at === null ? page.when : chart.at.map((place) => page.when[place]));

  const placeOf = (chart, index) => (chart.at === null ? index : chart.at[index]);

  /** Where the point leads: to its run, to its day's runs, or nowhere. */
  const target = (chart, index) => {
    const place = placeOf(chart, index);
    if (page.tier === "raw") {
      const run = page.runs[place];
      return known === null || known.has(run) ? page.link.replace("run-0", `run-${run}`) : "";
    }
    const day = perfgate.moment(page.when[place], false);
    return page.days ? `${page.days}&since=${day}&until=${day}` : "";
  };

  const told = (chart, index) => {
    const place = placeOf(chart, index);
    const raw = page.tier === "raw";
    const parts = [perfgate.moment(page.when[place], page.tier !== "daily"), perfgate.show(chart.values[index], chart.unit)];
    parts.push(raw ? page.commits[place] : page.tier === "daily" ? "median of the day" : "median of the hour");
    return parts.join(" · ");
  };

  /** The ends of the y axis: of the points in view, and of what they are held against where it is not far off. */
  const range = (chart) => (u, low, high) => {
    if (low === null) return [0, 1];
    const least = Math.abs(low + high) / 20;
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    if (low === high) [low, high] = [low - 1, high + 1];
    const room = (high - low) / ROOM;
    for (const [, value] of chart.lines) {
      const [lower, upper] = [Math.min(low, value), Math.max(high, value)];
      if (upper - lower <= room) [low, high] = [lower, upper];
    }
    const margin = (high - low) * 0.08;
    const below = low - margin * 2; // where the names of releases stand
    return [low >= 0 ? Math.max(0, below) : below, high + margin * 2];
  };

  const annotate = (chart) => (u) => {
    const { ctx, bbox } = u;
    const scale = devicePixelRatio;
    const { left, top, width, height } = bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.font = `${11 * scale}px system-ui, sans-serif`;
    ctx.textBaseline = "alphabetic";

    const line = (x0, y0, x1, y1, colour, dash) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = scale;
      ctx.setLineDash(dash.map((part) => part * scale));
      ctx.beginPath();
      ctx.moveTo(x0, y0);
      ctx.lineTo(x1, y1);
      ctx.stroke();
    };

    // A label that would stand on another one is left out; its line says that something is there.
    const taken = [];
    const write = (text, x, y, colour, align) => {
      const size = ctx.measureText(text).width;
      const over = x + size > left + width - 2 * scale;
      const from = align === "right" ? x - size : over ? x - size - 8 * scale : x;
      const meets = ([a, b, at]) => from < b && from + size > a && Math.abs(at - y) < 12 * scale;
      if (from < left || taken.some(meets)) return;
      taken.push([from - 4 * scale, from + size + 4 * scale, y]);
      ctx.fillStyle = colour;
      ctx.textAlign = "left";
      ctx.fillText(text, from, y);
    };
    const { min, max } = u.scales.x;
    for (const [when, text, worse] of chart.marks) {
      if (when < min || when > max) continue;
      const x = u.valToPos(when, "x", true);
      line(x, top, x, top + height, worse ? colours.fail : colours.pass, []);
      write(text, x + 4 * scale, top + 12 * scale, worse ? colours.fail : colours.pass, "left");
    }

    for (const [name, value] of chart.lines) {
      const colour = name === "budget" ? colours.fail : colours.base;
      const y = u.valToPos(value, "y", true);
      const text = `${name} ${perfgate.show(value, chart.unit)}`;
      const inside = y >= top && y <= top + height;
      if (inside) line(left, y, left + width, y, colour, name === "budget" ? [6, 4] : [2, 3]);
      const where = inside ? y - 4 * scale : y < top ? top + height * 0.3 : top + height - 4 * scale;
      const spot = taken.some(([, , at]) => Math.abs(at - where) < 12 * scale) ? where + 14 * scale : where;
      write(inside ? text : `${text} ${y < top ? "↑" : "↓"}`, left + width - 4 * scale, spot, colour, "right");
    }
    for (const [when, name] of page.releases) {
      if (when < min || when > max) continue;
      const x = u.valToPos(when, "x", true);
      line(x, top, x, top + height, colours.edge, [3, 3]);
      write(name, x + 3 * scale, top + height - 5 * scale, colours.soft, "left");
    }
    ctx.restore();
  };

  const zoomAll = (min, max) => {
    const whole = min === null;
    zoom = whole ? null : [min, max];
    for (const chart of drawn.values()) if (chart.seen || whole) chart.follow();
  };

  const whole = (u) => [u.data[0][0], u.data[0].at(-1)];

  const fitted = (u) => {
    const [first, last] = whole(u);
    return first === last ? [first - 43_200, first + 43_200] : [first, last];
  };

  const make = (plot) => {
    const chart = page.charts[Number(plot.dataset.chart)];
    const readout = plot.nextElementSibling;
    const tall = plot.closest(".tall") !== null;
    let following = false;
    let keyed = -1;
    const axis = { stroke: () => colours.soft, grid: { stroke: () => colours.edge, width: 1 }, ticks: { show: false } };
    const x = { ...axis, size: 40 };
    const y = { ...axis, values: (u, values) => perfgate.ticks(values, chart.unit), size: 68 };
    const when = times(chart);
    const data = [when, chart.values, levels(chart, when)];
    const options = {
      width: plot.clientWidth,
      height: tall ? TALL : HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      fmtDate: (template) => uPlot.fmtDate(template.replace("{h}{aa}", "{HH}:00").replace("{h}:{mm}{aa}", "{HH}:{mm}").replace("{M}/{D}", "{MMM} {D}")),
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { drag: { x: true, y: false }, points: { size: 7 }, dataIdx: (u, series, nearest) => nearest },
      scales: { x: { time: true }, y: { range: range(chart) } },
      axes: [x, y],
      series: [
        {},
        { stroke: () => colours.base, width: 1, alpha: 0.75, points: { size: 4 } },
        { stroke: () => colours.new, width: 2, points: { show: when.length < 2 } },
      ],
      hooks: {
        drawAxes: [annotate(chart)],
        setCursor: [(u) => say(u.cursor.idx)],
        setScale: [
          (u, name) => {
            if (name !== "x") return;
            const { min, max } = u.scales.x;
            plot.dataset.range = `${Math.round(min)} ${Math.round(max)}`;
            if (following || u.status === 0) return;
            const [first, last] = fitted(u);
            if (min <= first && max >= last) zoomAll(null, null);
            else zoomAll(min, max);
          },
        ],
      },
    };
    const say = (index) => {
      readout.textContent = index === null || index === undefined ? "" : told(chart, index);
    };
    const u = new uPlot(options, data, plot);
    const self = {
      u,
      seen: true,
      follow() {
        const [min, max] = zoom ?? fitted(u);
        if (u.scales.x.min === min && u.scales.x.max === max) return;
        following = true;
        u.setScale("x", { min, max });
        queueMicrotask(() => (following = false));
      },
    };
    const open = (index) => {
      const there = index === null || index === undefined ? "" : target(chart, index);
      if (there) location.href = there;
    };
    const go = (index) => {
      const { min, max } = u.scales.x;
      keyed = Math.min(Math.max(index, 0), when.length - 1);
      const at = when[keyed];
      if (at < min || at > max) zoomAll(at - (max - min) / 2, at + (max - min) / 2);
      queueMicrotask(() => {
        u.setCursor({ left: u.valToPos(at, "x"), top: u.valToPos(chart.values[keyed], "y") });
        say(keyed);
      });
    };
    const closer = (factor) => {
      const { min, max } = u.scales.x;
      const [first, last] = fitted(u);
      const centre = keyed >= 0 ? when[keyed] : (min + max) / 2;
      const half = ((max - min) / 2) * factor;
      if (centre - half <= first && centre + half >= last) zoomAll(null, null);
      else zoomAll(Math.max(first, centre - half), Math.min(last, centre + half));
    };
    const keys = {
      ArrowLeft: (event) => go((keyed < 0 ? when.length : keyed) - (event.shiftKey ? STEP : 1)),
      ArrowRight: (event) => go(keyed + (event.shiftKey ? STEP : 1)),
      Home: () => go(0),
      End: () => go(when.length - 1),
      "+": () => closer(0.5),
      "=": () => closer(0.5),
      "-": () => closer(2),
      0: () => zoomAll(null, null),
      Enter: () => keyed >= 0 && open(keyed),
      Escape: () => {
        keyed = -1;
        u.setCursor({ left: -10, top: -10 });
      },
    };
    plot.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act(event);
    });
    let pressed = null;
    let opening = 0;
    u.over.addEventListener("mousedown", (event) => (pressed = event.clientX));
    u.over.addEventListener("click", (event) => {
      const index = u.cursor.idx;
      if (pressed === null || Math.abs(event.clientX - pressed) > 3 || index === null || index === undefined) return;
      if (Math.abs(u.valToPos(when[index], "x") - event.offsetX) > NEAR) return;
      clearTimeout(opening); // the first click of two, which show all again, opens nothing
      if (zoom === null) open(index);
      else if (event.detail === 1) opening = setTimeout(() => open(index), DOUBLE_CLICK_MS);
    });
    plot.before(buttons(plot, closer));
    new ResizeObserver(() => {
      if (plot.clientWidth && !printing) u.setSize({ width: plot.clientWidth, height: options.height });
    }).observe(plot);
    drawn.set(plot, self);
    self.follow();
    plot.dataset.drawn = "";
    return self;
  };

  /** For fingers; keys do the same, so that a keyboard need not stop at each of them. */
  const buttons = (plot, closer) => {
    const bar = document.createElement("div");
    bar.className = "zoom";
    for (const [sign, name, act] of [
      ["+", "Zoom in", () => closer(0.5)],
      ["−", "Zoom out", () => closer(2)],
      ["0", "Show all", () => zoomAll(null, null)],
    ]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", tabIndex: -1, textContent: sign, title: name });
      button.setAttribute("aria-label", name);
      button.addEventListener("click", act);
      bar.append(button);
    }
    return bar;
  };

  /** Without a server to ask, the stretch of time is chosen here. */
  const stretches = () => {
    const DAY_S = 86_400;
    const bar = document.createElement("div");
    bar.className = "filters stretches";
    for (const [days, name] of [[7, "7 days"], [30, "30 days"], [90, "90 days"], [365, "A year"], [0, "All"]]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name });
      const last = page.when.at(-1);
      button.addEventListener("click", () => (days ? zoomAll(last - days * DAY_S, last) : zoomAll(null, null)));
      bar.append(button);
    }
    return bar;
  };
  if (!document.body.dataset.live && page.when.length > 1) document.querySelector(".charts, .chart").before(stretches());

  const plots = [...document.querySelectorAll(".plot")];
  const seer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const chart = drawn.get(entry.target);
        if (chart) chart.seen = entry.isIntersecting;
        if (!entry.isIntersecting) continue;
        if (chart) chart.follow();
        else make(entry.target);
      }
    },
    { rootMargin: "200px" },
  );
  plots.forEach((plot) => seer.observe(plot));

  const redraw = () => {
    readColours();
    for (const { u } of drawn.values()) u.redraw(false, true);
  };
  addEventListener("perfgate-theme", redraw);

  // On paper: all of them, in the light theme, as wide as a sheet.
  let printing = false;
  let theme;
  addEventListener("beforeprint", () => {
    printing = true;
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    plots.filter((plot) => !drawn.has(plot)).forEach(make);
    for (const { u } of drawn.values()) u.setSize({ width: PRINTED_WIDTH, height: u.height });
    redraw();
  });
  addEventListener("afterprint", () => {
    printing = false;
    if (theme === undefined) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const [plot, { u }] of drawn) u.setSize({ width: plot.clientWidth, height: u.height });
    redraw();
  });
}
