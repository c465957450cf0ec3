// The ERP page: connectors, what needs attention, whether made, posted and booked agree, orders, shipments.
(function () {
  "use strict";
  var amor = window.amor;
  var erp = amor.erp;
  var h = amor.h;
  var state = amor.state;
  var MOST_ORDERS = 30;
  var MOST_SHIPMENTS = 12;
  var MOST_LATEST = 10;
  var PAUSE_MS = 2000;

  function isOpen() {
    return Boolean(document.querySelector('[data-page="erp"]'));
  }

  // --- connectors ------------------------------------------------------------------------------------------------------

  function status(each) {
    if (each.stopped_at) return { weight: "watch", sign: "■", word: "Stopped", text: "by " + each.stopped_by + " since " + erp.when(each.stopped_at) + ": " + each.stop_reason };
    if (!each.condition) return { weight: each.waiting ? "act" : "watch", sign: "?", word: "No relay", text: "No relay has been heard for some seconds: nothing is carried. See whether `amor relay` runs." };
    var until = each.condition_until && Date.parse(each.condition_until) > amor.now() ? " Tried again in " + amor.age((Date.parse(each.condition_until) - amor.now()) / 1000) + "." : " Being tried again.";
    if (each.condition === "refused") return { weight: "act", sign: "▲", word: "Key refused", text: "since " + erp.when(each.condition_since) + ": " + each.condition_reason + "." + until };
    if (each.condition === "failing") return { weight: "watch", sign: "◆", word: "System fails", text: "since " + erp.when(each.condition_since) + ": " + each.condition_reason + "." + until };
    return { weight: "none", sign: "▶", word: "Running", text: "" };
  }
  function card(each) {
    return h("article", { class: "connector", "data-connector": each.connector }, [
      h("div", { class: "connector-head" }, [
        h("h2", {}, [each.connector, h("span", { class: "count", text: each.type ? erp.TYPES[each.type] || each.type : "not in the configuration" })]),
        h("p", { class: "status" }, [h("span", { class: "sign", "aria-hidden": "true" }), h("span", { class: "word" })]),
        h("div", { class: "connector-acts" }),
      ]),
      h("p", { class: "why" }),
      h("dl", { class: "facts" }, ["For a person", "Failing", "Open events", "Oldest open", "Taken today", "Last taken"].map(function (title) {
        return h("div", { "data-fact-of": title }, [h("dt", { text: title }), h("dd", { text: "–" }), h("dd", { class: "more" })]);
      })),
    ]);
  }
  function facts(each) {
    var events = amor.number(each.posted_today) + (each.posted_today === 1 ? " event" : " events");
    return {
      "For a person": [amor.number(each.parked), each.parked ? "see below" : ""],
      Failing: [amor.number(each.failing), each.failing ? "tried again" : ""],
      "Open events": [amor.number(each.waiting), ""],
      "Oldest open": [each.oldest_at ? erp.ago(each.oldest_at) : "–", ""],
      "Taken today": each.pieces_today === null ? [events, ""] : [erp.quantity(each.pieces_today) + " pcs", "in " + events],
      "Last taken": [each.last_success_at ? erp.ago(each.last_success_at) : "never", each.last_success_at ? "ago" : ""],
    };
  }
  function drawCard(element, each) {
    var now = status(each);
    amor.mark(element, "weight", now.weight);
    amor.put(element, ".status .sign", now.sign);
    amor.put(element, ".status .word", now.word);
    amor.put(element, ".why", now.text);
    var said = facts(each);
    element.querySelectorAll("[data-fact-of]").forEach(function (fact) {
      amor.put(fact, "dd", said[fact.dataset.factOf][0]);
      amor.put(fact, ".more", said[fact.dataset.factOf][1]);
    });
    amor.mark(element.querySelector('[data-fact-of="For a person"]'), "weight", each.parked ? "act" : "none");
    amor.mark(element.querySelector('[data-fact-of="Failing"]'), "weight", each.failing ? "watch" : "none");
    var acts = element.querySelector(".connector-acts");
    var isPaused = each.condition === "refused" || each.condition === "failing";
    var wanted = !erp.mayAct() ? "" : each.stopped_at ? "go" : isPaused ? "stop try" : "stop";
    if (acts.dataset.shown === wanted) return;
    acts.dataset.shown = wanted;
    acts.replaceChildren.apply(acts, [
      wanted.indexOf("stop") === 0 ? erp.button("Stop", function () { askStop(each.connector); }, "quiet", "Stop " + each.connector) : "",
      wanted === "stop try" ? erp.button("Try now", function () { askTry(each.connector); }, "primary", "Try " + each.connector + " now") : "",
      wanted === "go" ? erp.button("Let it go on", function () { askGo(each.connector); }, "primary", "Let " + each.connector + " go on") : "",
    ].filter(Boolean));
  }
  function step(connector, verb, reason) {
    return amor.post("/api/v1/erp/connectors/" + encodeURIComponent(connector) + "/" + verb, { reason: reason }).then(function (answer) {
      return answer.json();
    }).then(function (summary) {
      state.erp = summary;
      drawErp();
    });
  }
  function askStop(connector) {
    erp.ask("Stop " + connector, "Nothing more goes to it until somebody lets it go on. What is under way ends; nothing is lost.", "Stop it", [], function (reason) { return step(connector, "stop", reason); });
  }
  function askGo(connector) {
    erp.ask("Let " + connector + " go on", "What waited goes out, each order in its sequence.", "Let it go on", [], function (reason) { return step(connector, "go", reason); });
  }
  function askTry(connector) {
    erp.ask("Try " + connector + " now", "What was wrong is mended: its pauses end. One event is tried, and all again once one went well.", "Try now", [], function (reason) { return step(connector, "go", reason); });
  }
  function drawConnectors() {
    var place = document.querySelector('[data-live="connectors"]');
    if (!place || !state.erp) return;
    var rows = state.erp.connectors;
    var names = rows.map(function (each) { return each.connector + "|" + each.type; }).join();
    if (place.dataset.shown !== names) {
      place.dataset.shown = names;
      place.replaceChildren.apply(place, rows.length ? rows.map(card) : [h("p", { class: "nothing", text: "No business system is connected yet: add a [[connector]] table to the configuration (docs/connectors.md)." })]);
    }
    rows.forEach(function (each, n) { drawCard(place.children[n], each); });
  }

  // --- what needs attention ------------------------------------------------------------------------------------------------

  function drawAttention() {
    var place = document.querySelector('[data-live="attention"]');
    if (!place || !state.erp) return;
    var rows = state.erp.attention;
    var all = state.erp.connectors.reduce(function (sum, each) { return sum + each.parked + each.failing; }, 0);
    amor.put(place.parentElement, ".count", all ? (all > rows.length ? rows.length + " of " + amor.number(all) : String(all)) : "");
    if (!rows.length) {
      if (!place.querySelector(".nothing")) place.replaceChildren(h("p", { class: "nothing", text: "Nothing waits for a person, and nothing fails." }));
      return;
    }
    var list = place.querySelector("ul");
    if (!list) {
      list = h("ul", { class: "list events" });
      place.replaceChildren(list);
    }
    var old = new Map(Array.from(list.children).map(function (item) { return [item.dataset.id, item]; }));
    drawReplayAll(place, list);
    rows.forEach(function (row, n) {
      var item = old.get(String(row.id)) || h("li", { "data-id": row.id });
      old.delete(String(row.id));
      drawEvent(item, row);
      if (list.children[n] !== item) list.insertBefore(item, list.children[n] || null);
    });
    old.forEach(function (item) { item.remove(); });
  }
  // Where several wait for one reason that was mended over there, nobody opens each of them.
  function drawReplayAll(place, list) {
    var many = erp.mayAct() ? state.erp.connectors.filter(function (each) { return each.parked > 1; }) : [];
    var names = many.map(function (each) { return each.connector + " " + each.parked; }).join();
    var acts = place.querySelector(".all") || h("div", { class: "all" });
    if (!acts.isConnected) place.insertBefore(acts, list);
    if (acts.dataset.shown === names) return;
    acts.dataset.shown = names;
    acts.replaceChildren.apply(acts, many.map(function (each) {
      return erp.button("Replay all " + amor.number(each.parked) + (state.erp.connectors.length > 1 ? " of " + each.connector : ""), function () {
        erp.ask("Replay all of " + each.connector, "Once what was wrong is mended over there. Each is looked up before it is sent; what is still refused comes back here.", "Replay all", [], function (reason) {
          return amor.post("/api/v1/erp/connectors/" + encodeURIComponent(each.connector) + "/replay", { reason: reason });
        });
      }, "quiet", "Replay all of " + each.connector);
    }));
  }
  function drawEvent(item, row) {
    var shown = JSON.stringify([row.state, row.last_error, row.quantity, row.order_ref]);
    if (item.dataset.shown !== shown) {
      item.dataset.shown = shown;
      item.dataset.weight = erp.weight(row);
      item.replaceChildren(
        erp.sign(erp.weight(row)),
        h("div", {}, [h("p", { class: "title", text: erp.title(row) }), h("p", { class: "line-of" }, [h("span", { class: "word", text: erp.stateWord(row) }), h("span", { class: "when" })]), h("p", { class: "error", text: row.last_error })]),
        h("div", { class: "action" }, [erp.button("Details", function () { amor.showEvent(row.id); }, "quiet", "Details of event " + row.id)])
      );
    }
    var tries = row.attempts + (row.attempts === 1 ? " try" : " tries");
    amor.put(item, ".when", " · #" + row.id + " for " + row.connector + ", since " + erp.when(row.created_at) + " (" + erp.ago(row.created_at) + "), " + tries + (row.behind ? ", holds " + row.behind + " more of it" : ""));
  }

  // --- orders, shipments, what was taken, search ---------------------------------------------------------------------------

  function due(order) {
    if (!order.due) return "–";
    var isLate = order.state === "released" && order.good < order.quantity && Date.parse(order.due) < amor.now();
    return isLate ? h("span", { class: "ill", text: "▲ " + amor.day(order.due) + ", late" }) : amor.day(order.due);
  }
  function leaves(shipment) {
    if (shipment.shipped_at) return amor.day(shipment.shipped_at);
    if (!shipment.planned_at) return shipment.state;
    var isLate = Date.parse(shipment.planned_at) < amor.now();
    return h("span", { class: isLate ? "ill" : "soft", text: (isLate ? "▲ late, planned " : "planned ") + amor.day(shipment.planned_at) });
  }
  function drawOrders(orders) {
    var more = orders.length > MOST_ORDERS ? MOST_ORDERS + " of " + orders.length : String(orders.length || "");
    erp.fill("erp-orders", more, [orders.slice(0, MOST_ORDERS)], function () {
      return [erp.table("Production orders", [["Order"], ["Product"], ["Good / ordered", "num"], ["In the ERP", "num"], ["Scrap", "num"], ["Due"], ["State"]], orders.slice(0, MOST_ORDERS).map(function (order) {
        return [erp.orderLink(order.number), order.product, amor.number(order.good) + " / " + amor.number(order.quantity), amor.number(order.posted), amor.number(order.scrap), due(order), order.state];
      }), "No orders from the ERP yet.")];
    });
  }
  function drawShipments(shipments) {
    var lead = state.plant && state.plant.lead_time.shipments ? "median " + amor.number(state.plant.lead_time.p50_h, "h") + " h from order to ship, 30 days" : "";
    erp.fill("erp-shipments", lead, [shipments.slice(0, MOST_SHIPMENTS)], function () {
      return [erp.table("Shipments", [["Shipment"], ["Ordered"], ["Shipped", "brief"], ["Lead time", "num"]], shipments.slice(0, MOST_SHIPMENTS).map(function (each) {
        var hours = each.shipped_at ? (Date.parse(each.shipped_at) - Date.parse(each.created_at)) / 3600000 : null;
        return [each.number, amor.day(each.created_at), leaves(each), hours === null ? "–" : amor.number(hours, "h") + " h"];
      }), "No shipments from the ERP yet.")];
    });
  }
  function drawLatest(rows) {
    erp.fill("latest", rows.length ? "newest " + rows.length : "", [rows], function () {
      return [erp.table("Taken by the systems", [["Event"], ["What", "words"], ["Document"], ["At", "num"]], rows.map(function (row) {
        return [erp.link(row.id), erp.title(row), row.external_id || "–", erp.when(row.done_at)];
      }), "No system has taken anything yet.")];
    });
  }
  function drawFind() {
    erp.fill("find", "", ["find"], function () {
      var field = h("input", { id: "find-what", type: "search", maxlength: "200", autocomplete: "off" });
      return [h("form", { class: "find-form", submit: function (event) {
        event.preventDefault();
        var what = field.value.trim().replace(/^#/, "");
        if (/^\d{1,15}$/.test(what)) amor.showEvent(Number(what));
        else if (what) amor.showOrder(what);
      } }, [h("label", { for: "find-what", text: "Number of an order, or of an event as #17" }), h("div", { class: "find-row" }, [field, h("button", { class: "quiet", type: "submit", text: "Show" })])])];
    });
  }

  // --- everything ----------------------------------------------------------------------------------------------------------

  function quiet() {
    // The header says that the server is away; the next round asks again.
  }
  function drawParked() {
    var parked = state.erp ? state.erp.connectors.reduce(function (sum, each) { return sum + each.parked; }, 0) : 0;
    document.querySelectorAll('[data-live="parked"]').forEach(function (element) {
      element.hidden = !parked;
      if (element.dataset.shown === String(parked)) return;
      element.dataset.shown = String(parked);
      element.replaceChildren(h("span", { "aria-hidden": "true", text: "▲ " + amor.number(parked) }), h("span", { class: "unseen", text: ", " + parked + (parked === 1 ? " event waits" : " events wait") + " for a person" }));
    });
  }
  var parkedBefore = null;
  function announce() {
    if (!state.erp) return;
    var parked = state.erp.connectors.reduce(function (sum, each) { return sum + each.parked; }, 0);
    if (parkedBefore !== null && parked > parkedBefore) {
      amor.put(document.querySelector('[data-live="announcement"]'), null, parked + (parked === 1 ? " event" : " events") + " for the ERP wait for a person");
    }
    parkedBefore = parked;
  }
  function drawErp() {
    drawParked();
    if (!isOpen()) return;
    drawConnectors();
    drawAttention();
    erp.drawComparedAt();
  }
  var asked_at = -PAUSE_MS; // at first at once
  var asking = null;
  // What was taken follows what is told live, at most every two seconds.
  function fillLatest() {
    if (!isOpen() || asking) return;
    asking = window.setTimeout(function () {
      asking = null;
      asked_at = performance.now();
      amor.get("/api/v1/erp/events?most=" + MOST_LATEST).then(drawLatest, quiet);
    }, Math.max(0, asked_at + PAUSE_MS - performance.now()));
  }
  amor.fillErp = function (isNew) {
    drawErp();
    drawFind();
    fillLatest();
    amor.get("/api/v1/orders").then(drawOrders, quiet);
    amor.get("/api/v1/shipments").then(drawShipments, quiet);
    erp.fillComparison();
    var wanted = /[?&]event=(\d{1,15})(?:&|$)/.exec(window.location.search);
    if (isNew && wanted) amor.showEvent(Number(wanted[1]));
  };
  amor.on("all", function () {
    announce();
    drawParked();
  });
  amor.on("me", drawErp);
  amor.on("erp", function () {
    announce();
    drawErp();
    fillLatest();
  });
  window.setInterval(drawErp, 1000); // ages move while nothing else does
})();
