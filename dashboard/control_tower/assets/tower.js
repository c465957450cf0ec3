// Draws the pages from the state of live.js. Dash lays a page out; the places to fill carry data-* attributes.
(function () {
  "use strict";
  var amor = window.amor;
  var h = amor.h;
  var put = amor.put;
  var mark = amor.mark;
  var state = amor.state;

  function each(selector, draw) {
    document.querySelectorAll(selector).forEach(draw);
  }
  function byId(rows, id) {
    return rows.find(function (row) {
      return row.id === Number(id);
    });
  }

  // --- header ----------------------------------------------------------------------------------------------------------

  var PULSE = { wait: "CONNECTING", live: "LIVE", stale: "STALE" };
  function drawPulse() {
    var feed = amor.feed();
    document.documentElement.dataset.feed = feed.pulse;
    each('[data-live="pulse"]', function (element) {
      mark(element, "pulse", feed.pulse);
      put(element, null, feed.pulse === "stale" ? "STALE " + amor.age(feed.age_s) : PULSE[feed.pulse]);
    });
    var silent = Object.keys(state.sources).filter(function (source) {
      return amor.now() - Date.parse(state.sources[source]) > 30000;
    });
    var text = "";
    if (feed.pulse === "stale") {
      text = state.database ? "No news from the server: what you see is " + amor.age(feed.age_s) + " old." : "The database does not answer: what you see is " + amor.age(feed.age_s) + " old.";
    } else if (silent.length) {
      text = silent
        .map(function (source) {
          return "Source " + source + " has been silent for " + amor.age((amor.now() - Date.parse(state.sources[source])) / 1000) + ".";
        })
        .join(" ");
    }
    each('[data-live="banner"]', function (element) {
      put(element, null, text);
    });
  }
  function drawHeader() {
    if (state.me) {
      each('[data-live="user"]', function (element) {
        put(element, null, state.me.login);
      });
    }
    if (state.plant) {
      var span = state.plant.window;
      var text = span.shift ? "Shift " + span.shift + ", until " + amor.clock(span.shift_ends_at) : "Between shifts";
      each('[data-live="shift"]', function (element) {
        put(element, null, text);
      });
    }
    each("[data-place]", function (link) {
      if (link.dataset.place === window.location.pathname) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    each("[data-window]", function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.window === state.window));
    });
  }
  function drawAlarmCounts() {
    var counts = {};
    state.alarms.forEach(function (alarm) {
      if (alarm.overlay) return; // nobody is called by it
      counts[alarm.severity] = (counts[alarm.severity] || 0) + 1;
    });
    each('[data-live="alarm-counts"]', function (element) {
      amor.SEVERITIES.forEach(function (severity) {
        var place = element.querySelector('[data-severity="' + severity + '"]');
        if (!place) {
          place = h("a", { class: "alarm-count", "data-severity": severity, href: "/alarms", "data-go": "" }, [amor.badge(severity), h("span", { class: "n" })]);
          element.append(place);
        }
        var count = counts[severity] || 0;
        mark(place, "open", String(count > 0));
        put(place, ".n", String(count));
        place.setAttribute("aria-label", count + " " + severity + " alarms");
        place.title = count + " " + severity;
      });
    });
  }

  // --- key figures -----------------------------------------------------------------------------------------------------

  function statusWord(figure, direction) {
    if (figure.status !== "watch" && figure.status !== "act") return "";
    return (direction === "up" ? "▼ " : "▲ ") + (figure.status === "act" ? "far off" : "off");
  }
  function bullet(root, value, target, direction) {
    var most = Math.max(value || 0, target || 0) * 1.15 || 1;
    if (direction === "up" && target !== null && target <= 1 && (value || 0) <= 1) most = 1;
    root.querySelector(".bullet .fill").style.width = Math.max(0, Math.min(100, ((value || 0) / most) * 100)) + "%";
    var tick = root.querySelector(".bullet .target");
    tick.hidden = target === null || target === undefined;
    if (!tick.hidden) tick.style.left = Math.min(100, (target / most) * 100) + "%";
  }
  function more(name, plant) {
    var output = plant.output;
    var lead = plant.lead_time;
    if (name === "output") {
      return amor.number(output.made) + " made" + (output.planned === null ? "" : " of " + amor.number(output.planned) + " planned");
    }
    if (name === "posted") return output.waiting > 0 ? amor.number(output.waiting) + " not in ERP yet" : "ERP knows all";
    if (name === "lead_time") {
      if (!lead.shipments) return "no shipment in 30 days";
      return "p90 " + amor.number(lead.p90_h, "h") + ", p95 " + amor.number(lead.p95_h, "h") + " h of " + lead.shipments + " shipped";
    }
    if (name === "scrap_ratio") {
      var scrap = plant.machines.reduce(function (sum, unit) {
        return sum + unit.scrap;
      }, 0);
      return amor.number(scrap) + " pcs scrap";
    }
    if (name === "wip") {
      return plant.lines
        .map(function (line) {
          return line.name + " " + amor.number(line.wip);
        })
        .join(", ");
    }
    if (name === "completeness") return "of the planned time is known";
    var share = plant.kpis.completeness.value;
    return share === null ? "no data yet" : "data " + amor.number(share, "ratio") + " %";
  }
  function drawTile(element) {
    var plant = state.plant;
    var name = element.dataset.kpi;
    var figure = plant.kpis[name];
    var unit = element.dataset.unit;
    mark(element, "status", figure.status);
    put(element, ".number", amor.number(figure.value, unit));
    put(element, ".unit", amor.unit(unit));
    var aim = element.querySelector(".aim");
    var word = name === "posted" ? "" : statusWord(figure, element.dataset.direction);
    var goal = name === "posted" ? "of " + amor.number(plant.output.made) + " made" : figure.target === null ? "no plan" : "target " + amor.number(figure.target, unit);
    if (aim.dataset.shown !== goal + word) {
      aim.dataset.shown = goal + word;
      aim.replaceChildren(h("span", { text: goal }), word ? h("b", { text: word }) : "");
    }
    put(element, ".more", more(name, plant));
    bullet(element, figure.value, name === "posted" ? plant.output.made : figure.target, element.dataset.direction);
  }
  function drawUnit(root, unit) {
    put(root, ".line-oee .number", amor.number(unit.kpis.oee.value, "ratio") + " %");
    root.querySelectorAll("[data-factor]").forEach(function (element) {
      var figure = unit.kpis[element.dataset.factor];
      mark(element, "status", figure.status);
      put(element, ".number", amor.number(figure.value, "ratio") + " %");
      bullet(element, figure.value, figure.target, "up");
    });
    root.querySelectorAll("[data-fact]").forEach(function (element) {
      put(element, null, amor.number(unit[element.dataset.fact]));
    });
  }
  function drawKpis() {
    if (!state.plant) return;
    each("[data-kpi]", drawTile);
    each("[data-line]", function (element) {
      var line = byId(state.plant.lines, element.dataset.line);
      if (line) drawUnit(element, line);
    });
    each(".machine[data-machine]", drawMachine);
    each("[data-unit-of]", function (element) {
      var unit = byId(state.plant.machines, element.dataset.unitOf);
      if (unit) drawUnit(element, unit);
    });
  }

  // --- machines --------------------------------------------------------------------------------------------------------

  function drawMachine(element) {
    var machine = byId(state.machines, element.dataset.machine);
    if (!machine) return;
    var age_s = machine.since ? (amor.now() - Date.parse(machine.since)) / 1000 : 0;
    if (element.dataset.state !== machine.state || !element.querySelector(".icon svg")) {
      mark(element, "state", machine.state);
      element.querySelector(".icon").replaceChildren(amor.stateIcon(machine.state));
    }
    mark(element, "weight", amor.stateWeight(machine.state, age_s));
    put(element, ".word", (amor.STATES[machine.state] || amor.STATES.UNKNOWN).word);
    put(element, ".reason", machine.reason);
    put(element, ".since", machine.since ? "for " + amor.age(age_s) : "never heard");
    var unit = state.plant && byId(state.plant.machines, machine.id);
    if (unit && element.querySelector(".oee")) put(element, ".oee", "OEE " + amor.number(unit.kpis.oee.value, "ratio") + " %");
    put(element, ".order", machine.order_number ? "Order " + machine.order_number : "");
  }
  function drawMachines() {
    each(".machine[data-machine]", drawMachine);
    if (document.querySelector('[data-page="plant"]')) {
      var isNew = state.machines.some(function (machine) {
        return !document.querySelector('.machine[data-machine="' + machine.id + '"]');
      });
      if (isNew) go(window.location.pathname);
    }
  }

  // --- lists: alarms, tickets, orders ----------------------------------------------------------------------------------

  function ofPage(row) {
    return !state.machinesOfPage || state.machinesOfPage.indexOf(row.equipment_id) >= 0;
  }
  function ranked(rows, severity) {
    return rows.sort(function (a, b) {
      return amor.SEVERITIES.indexOf(a[severity]) - amor.SEVERITIES.indexOf(b[severity]) || b.id - a.id;
    });
  }
  // Rows keep their element while they live, so that focus and pictures stay.
  function drawList(name, rows, make, update, empty) {
    each('[data-live="' + name + '"]', function (element) {
      put(element.parentElement, ".count", rows.length ? String(rows.length) : "");
      if (!rows.length) {
        if (!element.querySelector(".nothing")) element.replaceChildren(h("p", { class: "nothing", text: empty }));
        return;
      }
      var list = element.querySelector("ul");
      if (!list) {
        list = h("ul", { class: "list" });
        element.replaceChildren(list);
      }
      var old = new Map();
      Array.from(list.children).forEach(function (item) {
        old.set(item.dataset.id, item);
      });
      rows.forEach(function (row, place) {
        var item = old.get(String(row.id)) || make(row);
        old.delete(String(row.id));
        item.dataset.id = String(row.id);
        update(item, row);
        if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
      });
      old.forEach(function (item) {
        item.remove();
      });
    });
  }
  function item(severity) {
    return h("li", {}, [
      h("span", { class: "shape" }, [amor.badge(severity)]),
      h("div", {}, [h("p", { class: "title" }), h("p", { class: "line-of what" }), h("p", { class: "line-of when" }), h("p", { class: "line-of response" })]),
      h("div", { class: "action" }),
    ]);
  }
  function reshape(element, severity) {
    if (element.dataset.severity === severity) return;
    mark(element, "severity", severity);
    element.querySelector(".shape").replaceChildren(amor.badge(severity));
  }
  function whereIs(row) {
    return (row.line ? row.line + " / " : "") + row.machine;
  }
  var ALARM_WORDS = { ACTIVE_UNACK: "not acknowledged", ACTIVE_ACK: "acknowledged", RECOVERING: "recovering", RTN_UNACK: "returned, not acknowledged", LATCHED: "latched" };
  function overlayWord(alarm) {
    if (alarm.overlay === "shelved") return ", shelved until " + amor.clock(alarm.shelved_until);
    if (alarm.overlay === "suppressed") return ", suppressed" + (alarm.suppressed_by ? " by " + alarm.suppressed_by : "");
    return alarm.overlay ? ", out of service" : "";
  }
  function drawAlarms() {
    drawAlarmCounts();
    var rows = ranked(Array.from(state.alarms.values()).filter(ofPage), "severity").sort(function (a, b) {
      return Boolean(a.overlay) - Boolean(b.overlay);
    });
    drawList(
      "alarms",
      rows,
      function (alarm) {
        return item(alarm.severity);
      },
      function (element, alarm) {
        reshape(element, alarm.severity);
        var isOpen = !alarm.acked_at && !alarm.overlay;
        mark(element, "unacked", String(isOpen));
        mark(element, "overlay", alarm.overlay || "");
        put(element, ".title", alarm.message);
        what(element, alarm.severity, whereIs(alarm) + ", " + (ALARM_WORDS[alarm.state] || alarm.state.toLowerCase()) + overlayWord(alarm) + (alarm.acked_by ? " by " + alarm.acked_by : "") + (alarm.quality === "GOOD" ? "" : ", quality " + alarm.quality.toLowerCase()));
        put(element, ".when", "since " + amor.clock(alarm.raised_at) + ", " + amor.age((amor.now() - Date.parse(alarm.raised_at)) / 1000));
        put(element, ".response", "Response: " + alarm.response);
        var action = element.querySelector(".action");
        var mayAcknowledge = isOpen && state.me && state.me.role !== "viewer";
        if (action.dataset.shown === String(mayAcknowledge)) return;
        action.dataset.shown = String(mayAcknowledge);
        action.replaceChildren(
          mayAcknowledge
            ? h("button", { class: "quiet", type: "button", text: "Acknowledge", "aria-label": "Acknowledge: " + alarm.message, click: function () { amor.askAcknowledge(state.alarms.get(alarm.id) || alarm); } })
            : "",
          h("button", { class: "quiet", type: "button", text: "Details", "aria-label": "Details: " + alarm.message, click: function () { amor.showAlarm(alarm.id); } })
        );
      },
      "No active alarms."
    );
  }
  function what(element, severity, rest) {
    var place = element.querySelector(".what");
    if (place.dataset.shown === severity + rest) return;
    place.dataset.shown = severity + rest;
    place.replaceChildren(h("span", { class: "word", text: amor.capital(severity) }), " · " + rest);
  }
  function drawTickets() {
    drawList(
      "tickets",
      ranked(Array.from(state.tickets.values()).filter(ofPage), "priority"),
      function (ticket) {
        return item(ticket.priority);
      },
      function (element, ticket) {
        reshape(element, ticket.priority);
        put(element, ".title", "#" + ticket.id + " " + ticket.title);
        what(element, ticket.priority, whereIs(ticket) + ", " + ticket.state.toLowerCase().replace("_", " "));
        put(element, ".when", "open for " + amor.age((amor.now() - Date.parse(ticket.opened_at)) / 1000) + (ticket.occurrences > 1 ? ", seen " + ticket.occurrences + " times" : ""));
        put(element, ".response", ticket.external_id ? "Maintenance request " + ticket.external_id : "not yet in the ERP");
        if (ticket.has_picture && !element.querySelector(".evidence")) {
          var source = "/api/v1/tickets/" + ticket.id + "/evidence";
          element.append(
            h("button", { class: "evidence", type: "button", "aria-label": "Enlarge the evidence of ticket " + ticket.id, click: function () { amor.showEvidence(ticket, source); } }, [
              h("img", { src: source, alt: "Readings around the event", loading: "lazy" }),
            ])
          );
        }
      },
      "No open tickets."
    );
  }
  function drawOrders() {
    var rows = state.orders.filter(function (order) {
      return order.state === "released" || order.good > 0;
    });
    each('[data-live="orders"]', function (element) {
      if (!rows.length) {
        element.replaceChildren(h("p", { class: "nothing", text: "No orders from the ERP yet." }));
        return;
      }
      var body = rows.map(function (order) {
        var made = h("div", { class: "bullet progress", "aria-hidden": "true" }, [h("i", { class: "fill" })]);
        made.firstChild.style.width = Math.min(100, (order.good / (order.quantity || 1)) * 100) + "%";
        return h("tr", {}, [
          h("td", { class: "strong", text: order.number }),
          h("td", { text: order.product }),
          h("td", {}, [made]),
          h("td", { class: "num", text: amor.number(order.good) + " / " + amor.number(order.quantity) }),
          h("td", { class: "num", text: amor.number(order.posted) }),
          h("td", { class: "num", text: amor.number(order.scrap) }),
          h("td", { class: "soft", text: order.due ? amor.day(order.due) : "–" }),
          h("td", { class: "soft", text: order.state }),
        ]);
      });
      var heads = [["Order"], ["Product"], ["Progress"], ["Good / ordered", "num"], ["In the ERP", "num"], ["Scrap", "num"], ["Due"], ["State"]].map(function (head) {
        return h("th", { scope: "col", class: head[1], text: head[0] });
      });
      element.replaceChildren(h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": "Orders" }, [h("table", {}, [h("thead", {}, [h("tr", {}, heads)]), h("tbody", {}, body)])]));
    });
  }

  // --- everything ------------------------------------------------------------------------------------------------------

  function drawAll() {
    drawHeader();
    drawKpis();
    drawMachines();
    drawAlarms();
    drawTickets();
    drawOrders();
    drawPulse();
  }
  function go(path) {
    if (path !== window.location.pathname) window.history.pushState({}, "", path);
    else if (!document.querySelector('[data-page="away"]')) amor.fillPage(true);
    window.dispatchEvent(new PopStateEvent("popstate"));
  }
  amor.go = go;
  amor.whereIs = whereIs;
  amor.overlayWord = overlayWord;
  amor.ALARM_WORDS = ALARM_WORDS;
  amor.drawAll = drawAll;
  amor.drawPulse = drawPulse;

  amor.on("all", drawAll);
  amor.on("me", drawHeader);
  amor.on("kpis", function () {
    drawHeader();
    drawKpis();
  });
  amor.on("machines", drawMachines);
  amor.on("alarms", drawAlarms);
  amor.on("tickets", drawTickets);
  amor.on("orders", drawOrders);
  amor.on("raised", function (alarm) {
    if (alarm.overlay) return;
    each('[data-live="announcement"]', function (element) {
      put(element, null, amor.capital(alarm.severity) + " alarm: " + alarm.message + ", " + whereIs(alarm));
    });
  });
})();
