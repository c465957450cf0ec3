// Small parts of pages: elements, numbers, ages, state icons, alarm badges. Text always goes in as text, never as markup.
(function () {
  "use strict";
  var amor = (window.amor = window.amor || {});
  var SVG = "http://www.w3.org/2000/svg";

  amor.h = function (tag, attributes, children) {
    var element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      var value = attributes[name];
      if (name === "text") element.textContent = value;
      else if (typeof value === "function") element.addEventListener(name, value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    });
    (children || []).forEach(function (child) {
      if (child) element.append(child);
    });
    return element;
  };

  function svg(size, content) {
    var root = document.createElementNS(SVG, "svg");
    root.setAttribute("viewBox", "0 0 " + size + " " + size);
    root.setAttribute("aria-hidden", "true");
    content.forEach(function (part) {
      var element = document.createElementNS(SVG, part[0]);
      Object.keys(part[1]).forEach(function (name) {
        element.setAttribute(name, part[1][name]);
      });
      if (part[2]) element.textContent = part[2];
      root.append(element);
    });
    return root;
  }

  // --- states: each a shape of its own --------------------------------------------------------------------------------

  var STROKE = { fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round" };
  function stroke(d) {
    return ["path", Object.assign({ d: d }, STROKE)];
  }
  function solid(d) {
    return ["path", { d: d, fill: "currentColor" }];
  }
  amor.STATES = {
    RUNNING: { word: "Running", parts: [solid("M5 3l11 6-11 6z")] },
    IDLE: { word: "Idle", parts: [stroke("M6 4v10M12 4v10")] },
    BLOCKED: { word: "Blocked", parts: [stroke("M2 9h8M7 5l4 4-4 4M15 3v12")] },
    STARVED: { word: "Starved", parts: [stroke("M3 3v12M8 9h8M11 5L7 9l4 4")] },
    SETUP: { word: "Setup", parts: [stroke("M3 5h12M3 13h12"), solid("M6 3h3v4H6zM10 11h3v4h-3z")] },
    PLANNED_STOP: { word: "Planned stop", parts: [stroke("M4 4h10v10H4z")] },
    UNPLANNED_STOP: { word: "Unplanned stop", parts: [solid("M6 2h6l4 4v6l-4 4H6l-4-4V6z"), ["path", { d: "M6.5 6.5l5 5M11.5 6.5l-5 5", stroke: "var(--inset)", "stroke-width": 2 }]] },
    MAINTENANCE: { word: "Maintenance", parts: [stroke("M3 15l6-6M9 9a4 4 0 0 1 5-5l-2 3 1 1 3-2a4 4 0 0 1-5 5")] },
    UNKNOWN: { word: "Unknown", parts: [["text", { x: 9, y: 14.5, "text-anchor": "middle", "font-size": 15, "font-weight": 700, fill: "currentColor" }, "?"]] },
  };
  amor.stateIcon = function (state) {
    return svg(18, (amor.STATES[state] || amor.STATES.UNKNOWN).parts);
  };

  // Losses of production are worth a look after the usual limit of a microstop.
  var MICROSTOP_S = 120;
  amor.stateWeight = function (state, age_s) {
    if (state === "UNPLANNED_STOP") return "act";
    if (state === "BLOCKED" || state === "STARVED" || state === "UNKNOWN") return age_s > MICROSTOP_S ? "watch" : "none";
    return state === "MAINTENANCE" ? "watch" : "none";
  };

  // --- priorities: shape, number, word and colour ----------------------------------------------------------------------

  amor.SEVERITIES = ["critical", "high", "medium", "low"];
  var SHAPES = {
    critical: "M2 2h20v20H2z",
    high: "M12 1l11 21H1z",
    medium: "M12 1l11 11-11 11L1 12z",
    low: "M12 2a10 10 0 1 0 .01 0z",
  };
  amor.badge = function (severity) {
    var dark = severity === "critical" || severity === "low";
    var root = svg(24, [
      ["path", { d: SHAPES[severity] || SHAPES.low, fill: "var(--" + severity + "-shape)" }],
      ["text", { x: 12, y: severity === "high" ? 19 : 16.5, "text-anchor": "middle", "font-size": 13, "font-weight": 700, fill: dark ? "#fff" : "#1c1200" }, String(amor.SEVERITIES.indexOf(severity) + 1)],
    ]);
    root.setAttribute("class", "badge");
    return root;
  };

  // --- numbers and times ---------------------------------------------------------------------------------------------

  var whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  var one = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  amor.number = function (value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "ratio") return one.format(value * 100);
    if (unit === "h") return Math.abs(value) < 100 ? one.format(value) : whole.format(value);
    return whole.format(value);
  };
  amor.unit = function (unit) {
    return { ratio: "%", "pieces/h": "pcs/h", pieces: "pcs", Cel: "°C", Ohm: "Ω", "[degF]": "°F", 1: "" }[unit] || unit;
  };
  amor.reading = function (value) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    var size = Math.abs(value);
    // As many digits at every reading, so that a live number does not jump.
    var digits = Number.isInteger(value) || size >= 1000 ? 0 : size >= 100 ? 1 : 2;
    return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: size >= 10000 });
  };
  amor.age = function (seconds) {
    seconds = Math.max(0, seconds);
    if (seconds < 60) return Math.floor(seconds) + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min " + String(Math.floor(seconds % 60)).padStart(2, "0") + " s";
    if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + String(Math.floor((seconds % 3600) / 60)).padStart(2, "0") + " min";
    return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
  };
  amor.clock = function (time) {
    return new Date(time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: amor.state.timeZone });
  };
  amor.day = function (time) {
    return new Date(time).toLocaleDateString("en-GB", { day: "2-digit", month: "short", timeZone: amor.state.timeZone });
  };
  amor.capital = function (word) {
    return word.charAt(0).toUpperCase() + word.slice(1);
  };

  // Changes an element only where it differs: a frame that says the same costs no layout.
  amor.put = function (root, selector, text) {
    var element = selector ? root.querySelector(selector) : root;
    if (element && element.textContent !== text) element.textContent = text;
    return element;
  };
  amor.mark = function (element, name, value) {
    if (element.dataset[name] !== value) element.dataset[name] = value;
  };
})();
