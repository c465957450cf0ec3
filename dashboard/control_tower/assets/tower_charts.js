// Charts: figures come from /api/v1/figures, live points are added to their last bucket and drawn once a second.
// Plotly is loaded with the first chart. Colours are the theme's, by the role that a trace or a shape names.
(function () {
  "use strict";
  var amor = (window.amor = window.amor || {});
  var FLUSH_MS = 1000;
  var BUCKETS = 900;
  var charts = new Map(); // element -> chart
  var loading = null;

  function plotly() {
    if (window.Plotly) return Promise.resolve(window.Plotly);
    loading =
      loading ||
      new Promise(function (resolve, reject) {
        var script = document.createElement("script");
        script.src = document.querySelector('meta[name="amor-plotly"]').content;
        script.onload = function () {
          resolve(window.Plotly);
        };
        script.onerror = function () {
          loading = null;
          reject(new Error("Plotly could not be loaded"));
        };
        document.head.append(script);
      });
    return loading;
  }

  // --- theme -----------------------------------------------------------------------------------------------------------

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  var STATE_COLOURS = {
    RUNNING: "run", IDLE: "idle", PLANNED_STOP: "idle", SETUP: "idle", BLOCKED: "fill", STARVED: "fill",
    UNPLANNED_STOP: "critical-shape", MAINTENANCE: "low-shape", UNKNOWN: "track",
  };
  function paint(figure) {
    figure.data.forEach(function (trace) {
      var role = trace.meta.role;
      if (role === "value") trace.line.color = colour("line");
      if (role === "high") trace.fillcolor = colour("band");
      if (role.indexOf("state:") === 0) {
        trace.marker.color = colour(STATE_COLOURS[role.slice(6)]);
        trace.marker.pattern.bgcolor = trace.marker.color;
        trace.marker.pattern.fgcolor = colour("card");
      }
    });
    var layout = figure.layout;
    var limits = (layout.shapes || []).concat(layout.annotations || []);
    limits.forEach(function (part) {
      var tone = colour(part.name.slice("limit:".length));
      if (part.line) part.line.color = tone;
      else part.font.color = tone;
    });
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("soft") };
    layout.hoverlabel = { bgcolor: colour("card"), bordercolor: colour("edge"), font: { color: colour("text") } };
    ["xaxis", "yaxis"].forEach(function (axis) {
      layout[axis].gridcolor = colour("edge");
      layout[axis].linecolor = colour("edge");
    });
    return figure;
  }

  // Plotly draws dates without a zone in UTC: the plant's wall clock is given to it as if it were.
  function zoneOffset(ms) {
    var wall = new Date(ms).toLocaleString("sv-SE", { timeZone: amor.state.timeZone });
    return Date.parse(wall.replace(" ", "T") + "Z") - Math.floor(ms / 1000) * 1000;
  }
  function toWall(figure) {
    var shift = zoneOffset(amor.now());
    figure.data.forEach(function (trace) {
      if (trace.meta.role.indexOf("state:") !== 0) {
        trace.x = trace.x.map(function (x) {
          return x + shift;
        });
      } else {
        trace.base = trace.base.map(function (x) {
          return x + shift;
        });
      }
    });
    figure.layout.xaxis.range = figure.layout.xaxis.range.map(function (x) {
      return x + shift;
    });
    return shift;
  }

  // --- one chart -------------------------------------------------------------------------------------------------------

  function load(element) {
    var chart = charts.get(element);
    var asked = (chart.asked = {});
    var path = element.dataset.figure + "?window=" + amor.state.window;
    Promise.all([plotly(), amor.get(path)]).then(
      function (results) {
        if (chart.asked !== asked || !element.isConnected) return; // a newer question is on its way
        var figure = results[1];
        chart.shift_ms = toWall(figure);
        chart.figure = paint(figure);
        chart.span_ms = figure.layout.xaxis.range[1] - figure.layout.xaxis.range[0];
        chart.start_ms = figure.layout.xaxis.range[0];
        chart.width_ms = Math.max(100, chart.span_ms / BUCKETS);
        chart.bucket = null;
        return results[0].react(element, figure.data, figure.layout, { displayModeBar: false, responsive: true });
      },
      function () {
        chart.stale = true; // asked again with the next snapshot
      }
    );
  }
  function trace(chart, role) {
    return chart.figure.data.find(function (candidate) {
      return candidate.meta.role === role;
    });
  }
  // Buckets as the server makes them: mean, lowest, highest.
  function add(chart, ms, value) {
    if (!chart.figure || typeof value !== "number") return;
    var x = ms + chart.shift_ms;
    var line = trace(chart, "value");
    if (!line || (line.x.length && x <= line.x[line.x.length - 1])) return;
    var bucket = chart.bucket;
    var low = trace(chart, "low");
    var high = trace(chart, "high");
    var last = line.x.length - 1;
    if (!bucket || x - bucket.start >= chart.width_ms) {
      chart.bucket = { start: x, sum: value, n: 1 };
      [line, low, high].forEach(function (one) {
        one.x = one.x.concat(x);
        one.y = one.y.concat(value);
      });
    } else {
      bucket.sum += value;
      bucket.n += 1;
      line.x[last] = low.x[last] = high.x[last] = x;
      line.y[last] = bucket.sum / bucket.n;
      low.y[last] = Math.min(low.y[last], value);
      high.y[last] = Math.max(high.y[last], value);
    }
    chart.dirty = true;
  }
  function trim(chart, from) {
    chart.figure.data.slice(0, 3).forEach(function (one) {
      var first = one.x.findIndex(function (x) {
        return x >= from;
      });
      if (first > 50) {
        one.x = one.x.slice(first - 1);
        one.y = one.y.slice(first - 1);
      }
    });
  }
  function flush() {
    if (document.hidden || !window.Plotly) return;
    charts.forEach(function (chart, element) {
      if (!element.isConnected) {
        charts.delete(element);
        if (chart.figure) window.Plotly.purge(element);
        return;
      }
      if (!chart.dirty || !chart.figure) return;
      chart.dirty = false;
      var layout = chart.figure.layout;
      // A person who zoomed looks at something: leave the view where it is.
      if (!element.layout || element.layout.xaxis.range[0] === layout.xaxis.range[0]) {
        var end = amor.now() + chart.shift_ms;
        var start = amor.state.window === "shift" ? chart.start_ms : end - chart.span_ms;
        layout.xaxis.range = [start, end];
        trace(chart, "anchor").x = trace(chart, "anchor").x.map(function () {
          return end;
        });
        trim(chart, start);
      }
      layout.datarevision = (layout.datarevision || 0) + 1;
      window.Plotly.react(element, chart.figure.data, layout, { displayModeBar: false, responsive: true });
    });
  }

  // --- for pages -------------------------------------------------------------------------------------------------------

  amor.drawCharts = function (root) {
    root.querySelectorAll(".chart[data-figure]").forEach(function (element) {
      if (charts.has(element)) return;
      charts.set(element, { figure: null });
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", element.dataset.label || "Chart");
      load(element);
    });
  };
  amor.reloadCharts = function () {
    charts.forEach(function (chart, element) {
      load(element);
    });
  };
  amor.repaintCharts = function () {
    charts.forEach(function (chart, element) {
      if (!chart.figure) return;
      paint(chart.figure);
      chart.figure.layout.datarevision = (chart.figure.layout.datarevision || 0) + 1;
      window.Plotly.react(element, chart.figure.data, chart.figure.layout, { displayModeBar: false, responsive: true });
    });
  };
  amor.on("points", function (points) {
    charts.forEach(function (chart, element) {
      if (!element.dataset.tag) return;
      var tag = Number(element.dataset.tag);
      points.forEach(function (point) {
        if (point[0] === tag) add(chart, point[1], point[2]);
      });
    });
  });
  window.setInterval(flush, FLUSH_MS);
  // States move with time: a picture of them is asked for anew now and then.
  window.setInterval(function () {
    charts.forEach(function (chart, element) {
      if (!element.dataset.tag && !document.hidden && amor.feed().pulse === "live") load(element);
    });
  }, 5000);
})();
