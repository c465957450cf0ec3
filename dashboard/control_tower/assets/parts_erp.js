// How events for business systems are said: words, numbers, times, and the small parts that the ERP page and its dialogs share.
(function () {
  "use strict";
  var amor = window.amor;
  var h = amor.h;
  var erp = (amor.erp = {});

  erp.TYPES = { odoo19: "Odoo 19", tryton82: "Tryton 8.2", sap_s4: "SAP S/4HANA", erpnext: "ERPNext", business_central: "Business Central", webhook: "Webhook", declarative: "own description", apprise: "Notices to people", tag_write: "Writes to machines" };
  erp.KINDS = { wip_to_fg: "Finished goods", scrap: "Scrap", consumed: "Consumption", performance: "Confirmation", reversal: "Taken back", work_request: "Maintenance request", availability: "Stock level", notice: "Notice", tag_write: "Machine write" };
  var OUTCOMES = { ok: "answered", transient: "busy or away", credentials: "key refused", business: "refused", unknown: "no clear answer" };

  // Quantities are decimals: shown with their own digits, grouped in thousands.
  erp.quantity = function (text) {
    if (text === null || text === undefined) return "–";
    var match = /^(-?\d+)(?:\.(\d+))?$/.exec(String(text));
    if (!match) return String(text);
    var rest = (match[2] || "").replace(/0+$/, "");
    return match[1].replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? "." + rest : "");
  };
  erp.withUnit = function (event) {
    if (event.quantity === null) return "";
    return erp.quantity(event.quantity) + " " + (event.uom === "1" || event.uom === "pcs" || !event.uom ? "pcs" : event.uom);
  };
  erp.about = function (event) {
    if (event.order_ref) return "order " + event.order_ref;
    if (event.ticket_id) return "ticket " + event.ticket_id;
    return event.item ? "item " + event.item : event.stream;
  };
  erp.title = function (event) {
    return [erp.KINDS[event.kind] || event.kind, erp.withUnit(event), erp.about(event)].filter(Boolean).join(", ");
  };
  erp.stateWord = function (event) {
    if (event.state === "parked") return "Waits for a person";
    if (event.state === "done") return "Taken";
    if (event.last_error) return "Fails, tried again";
    return event.state === "sending" ? "Under way" : "Waits its turn";
  };
  // Parked: a person must act; failing: it may pass by itself. A shape, a word and a colour each.
  erp.weight = function (event) {
    if (event.state === "parked") return "act";
    return event.state !== "done" && event.last_error ? "watch" : "none";
  };
  erp.sign = function (weight) {
    return h("span", { class: "sign", "aria-hidden": "true", text: { act: "▲", watch: "◆", none: "●" }[weight] });
  };
  erp.outcome = function (attempt) {
    return (OUTCOMES[attempt.outcome] || attempt.outcome) + (attempt.status ? " (" + attempt.status + ")" : "");
  };
  erp.when = function (time) {
    if (!time) return "–";
    var clock = new Date(time).toLocaleTimeString("en-GB", { timeZone: amor.state.timeZone });
    return amor.day(time) === amor.day(amor.now()) ? clock : amor.day(time) + " " + clock;
  };
  erp.ago = function (time) {
    return amor.age((amor.now() - Date.parse(time)) / 1000);
  };
  // Makes a step happen once, however often its button is pressed or the answer is lost.
  erp.key = function () {
    return Array.from(window.crypto.getRandomValues(new Uint8Array(16)), function (byte) { return byte.toString(16).padStart(2, "0"); }).join("");
  };
  erp.mayAct = function () {
    return Boolean(amor.state.me) && amor.state.me.role !== "viewer";
  };
  erp.button = function (text, act, kind, label) {
    return h("button", { class: kind || "quiet", type: "button", text: text, "aria-label": label, click: act });
  };
  erp.link = function (number, text) {
    return h("a", { class: "event-link", href: "/erp?event=" + number, text: text || "#" + number, click: function (event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      amor.showEvent(number);
    } });
  };
  erp.orderLink = function (number) {
    return erp.button(number, function () { amor.showOrder(number); }, "as-link", "Events of order " + number);
  };
  // heads: ["Text"] or ["Text", "num"]; rows: lists of cells, texts or nodes.
  erp.table = function (title, heads, rows, empty) {
    if (!rows.length) return h("p", { class: "nothing", text: empty });
    return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": title }, [
      h("table", {}, [
        h("thead", {}, [h("tr", {}, heads.map(function (head) { return h("th", { scope: "col", class: head[1], text: head[0] }); }))]),
        h("tbody", {}, rows.map(function (row) {
          return h("tr", {}, row.map(function (cell, place) {
            return h("td", { class: [place ? "" : "strong", heads[place][1] || ""].join(" ").trim(), "data-head": heads[place][0] }, [cell instanceof Node ? cell : document.createTextNode(String(cell))]);
          }));
        })),
      ]),
    ]);
  };
  // Replaces what stands there only where it differs, so that focus and what is open stay.
  erp.fill = function (name, count, seen, content) {
    var place = document.querySelector('[data-live="' + name + '"]');
    if (!place) return;
    amor.put(place.parentElement, ".count", count);
    var shown = JSON.stringify(seen);
    if (place.dataset.shown === shown) return;
    place.dataset.shown = shown;
    place.replaceChildren.apply(place, content());
  };
  // A dialog that asks why, and does something with it. `more` are fields above the reason; `act` gives a promise.
  erp.ask = function (title, text, verb, more, act) {
    var reason = h("textarea", { id: "erp-reason", maxlength: "1000" });
    var problem = h("p", { class: "problem", role: "alert" });
    var send = erp.button(verb, function () {
      if (!reason.value.trim()) {
        problem.textContent = "Write why: it is kept with what is done.";
        reason.focus();
        return;
      }
      send.disabled = true;
      act(reason.value).then(function () { box.close(); }, function (error) {
        send.disabled = false;
        problem.textContent = "Not done: " + error.message + ".";
      });
    }, "primary");
    var box = amor.dialog(title, "", [h("p", { class: "soft", text: text })].concat(more, [
      h("label", { for: "erp-reason", text: "Reason" }), reason, problem,
      h("div", { class: "choices" }, [erp.button("Cancel", function () { box.close(); }), send]),
    ]));
    (more.length ? box.querySelector("input") : reason).focus();
    return box;
  };
})();
