// What pages do beyond HTML: draw charts, copy, submit a choice at once, and
// stop asking when nobody looks. Every page works without it.

const palette = () => {
  const css = getComputedStyle(document.documentElement);
  const token = (name) => css.getPropertyValue(name).trim();
  return {
    series: Array.from({length: 8}, (_, i) => token(`--c${i}`)),
    ink: token("--ink"), soft: token("--soft"), line: token("--line"), card: token("--card"),
  };
};

// scale is a figure on an axis: short, and never with an exponent.
const scale = (unit) => (v) => {
  const abs = Math.abs(v);
  const cut = (x, digits) => x.toFixed(digits).replace(/\.?0+$/, "");
  let text;
  if (abs >= 1e9) text = cut(v / 1e9, 2) + "B";
  else if (abs >= 1e6) text = cut(v / 1e6, 2) + "M";
  else if (abs >= 1e4) text = cut(v / 1e3, 1) + "k";
  else if (abs >= 1 || abs === 0) text = cut(v, 2);
  else text = cut(v, 9);
  if (unit === "usd") return v < 0 ? "-$" + text.slice(1) : "$" + text;
  return unit === "ms" ? text + " ms" : text;
};

const option = (spec, cells) => {
  const colours = palette();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const bars = spec.kind === "bar";
  const last = spec.labels.length - 1;
  const series = spec.series.map((s) => {
    const colour = colours.series[s.slot];
    const data = s.values.map((v, i) => {
      const value = v === "" || bars && v === "0" ? null : Number(v); // drawn only: the table has the exact figure
      if (!bars || !spec.partial || i !== last) return value;
      return {value, itemStyle: {decal: {symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 4, color: colours.card}}};
    });
    return {
      name: s.name, data, type: bars ? "bar" : "line", stack: bars ? "all" : undefined, barMaxWidth: 48, barCategoryGap: "25%",
      showSymbol: spec.labels.length < 3, connectNulls: false, color: colour,
      lineStyle: {width: s.dashed ? 1 : 2, type: s.dashed ? "dashed" : "solid"},
      itemStyle: bars ? {borderColor: colours.card, borderWidth: spec.labels.length > 60 ? 0 : 0.5} : undefined,
      emphasis: {focus: "series"},
    };
  });
  // A label of the axis needs no year, and of an hour the day only once.
  const hours = spec.labels.some((l) => l.length > 10);
  const dates = spec.labels.every((l) => /^\d{4}-\d\d-\d\d/.test(l)); // else names, which are not cut
  const negative = spec.series.some((s) => s.values.some((v) => v.startsWith("-")));
  return {
    animation: !still, animationDuration: 250, color: colours.series,
    textStyle: {fontFamily: getComputedStyle(document.body).fontFamily, color: colours.ink},
    aria: {enabled: true, label: {description: `${spec.title}. ${spec.summary}`}},
    grid: {left: 4, right: 8, top: 16, bottom: spec.series.length > 1 ? 34 : 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel"},
    legend: spec.series.length > 1 ? {type: "scroll", bottom: 0, left: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, itemGap: 14,
      textStyle: {color: colours.soft}, pageTextStyle: {color: colours.soft}, pageIconColor: colours.soft, pageIconInactiveColor: colours.line} : undefined,
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, axisPointer: {type: bars ? "shadow" : "line"},
      backgroundColor: colours.card, borderColor: colours.line, textStyle: {color: colours.ink, fontSize: 12}, order: "seriesDesc",
      formatter: (points) => {
        const i = points[0].dataIndex;
        const lines = points.filter((p) => p.value != null)
          .map((p) => `${p.marker}${p.seriesName}  ${cells(i, p.seriesIndex)}`);
        return [spec.labels[i] + (spec.partial && i === last ? ", still running" : ""), ...(lines.length ? lines : ["nothing"])].join("\n");
      },
    },
    xAxis: {type: "category", data: spec.labels, boundaryGap: bars, axisTick: {show: false}, axisLine: {lineStyle: {color: colours.line}},
      axisLabel: {color: colours.soft, hideOverlap: true, width: dates ? undefined : 110, overflow: "truncate", formatter: (l) => !dates ? l : hours ? (l.endsWith("00:00") ? l.slice(5, 10) : l.slice(11)) : l.slice(5)}},
    yAxis: {type: "value", min: bars || negative ? undefined : 0, splitNumber: 4, splitLine: {lineStyle: {color: colours.line}}, axisLabel: {color: colours.soft, formatter: scale(spec.unit)}},
    series,
  };
};

const drawn = new Map(); // figure → chart
let library;

const draw = async (figure) => {
  const plot = figure.querySelector(".plot");
  try {
    library ??= import(document.body.dataset.echarts);
    const {init} = await library;
    const spec = JSON.parse(figure.dataset.chart);
    const rows = figure.querySelectorAll("tbody tr");
    const cells = (row, column) => rows[row]?.querySelectorAll("td")[column]?.textContent.trim() ?? "";
    const chart = drawn.get(figure) ?? init(plot, null, {renderer: "svg"});
    chart.setOption(option(spec, cells), true);
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `${spec.title}. ${spec.summary} The table has the figures.`);
    if (!drawn.has(figure)) {
      drawn.set(figure, chart);
      new ResizeObserver(() => chart.resize()).observe(plot);
    }
  } catch (fault) {
    figure.classList.add("undrawn"); // the table stands for itself
    console.warn("chart", fault);
  }
};

const drawAll = (root) => {
  for (const [figure, chart] of drawn) {
    if (!figure.isConnected) { chart.dispose(); drawn.delete(figure); }
  }
  for (const figure of root.querySelectorAll("figure.chart[data-chart]")) draw(figure);
};

drawAll(document);
document.addEventListener("htmx:after:swap", () => drawAll(document));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(from.textContent.trim());
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(from); // the reader copies by hand
  }
});

for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;

// A page that polls says when it has lost the server, and keeps what it showed.
const lost = (event) => {
  const source = event.detail?.ctx?.sourceElement ?? event.target;
  const banner = source?.closest?.("[data-live]")?.querySelector("[data-lost]");
  if (banner) banner.hidden = false;
};
document.addEventListener("htmx:error", lost);
document.addEventListener("htmx:response:error", lost);
document.addEventListener("htmx:before:request", (event) => { if (document.hidden) event.preventDefault(); });
