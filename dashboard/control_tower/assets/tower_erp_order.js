// One order's events, and taking pieces of it back.
(function () {
  "use strict";
  var amor = window.amor;
  var erp = amor.erp;
  var h = amor.h;
  var MOST = 100;

  function reads(connector) {
    return amor.state.erp && amor.state.erp.connectors.some(function (each) { return each.connector === connector && each.can_compare; });
  }
  amor.showOrder = function (number) {
    var body = h("div", {});
    var choices = h("div", { class: "choices" });
    var box = amor.dialog("Order " + number, "wide event", [body, choices]);
    function draw(rows) {
      var posted = rows.filter(function (row) { return row.kind === "wip_to_fg" && row.state === "done"; });
      var systems = Array.from(new Set(posted.map(function (row) { return row.connector; }))).filter(reads);
      body.replaceChildren(
        h("p", { class: "soft", text: rows.length === MOST ? "Its newest " + MOST + " events:" : rows.length ? "All events that were written for it, the newest first:" : "" }),
        erp.table("Events of order " + number, [["Event"], ["What", "words"], ["For"], ["State"], ["Document"], ["Written", "num"]], rows.map(function (row) {
          return [erp.link(row.id), [erp.KINDS[row.kind] || row.kind, erp.withUnit(row)].filter(Boolean).join(", "), row.connector, h("span", { "data-weight": erp.weight(row), class: "event-state" }, [erp.sign(erp.weight(row)), " " + erp.stateWord(row)]), row.external_id || "–", erp.when(row.created_at)];
        }), "No event was written for " + number + ". An event is found by its number, as #17.")
      );
      choices.replaceChildren.apply(choices, [
        erp.mayAct() && systems.length ? erp.button("Take back …", function () { amor.askTakeBack(number, systems, load); }) : "",
        erp.button("Close", function () { box.close(); }, "primary"),
      ].filter(Boolean));
    }
    function load() {
      return amor.get("/api/v1/erp/events?most=" + MOST + "&order=" + encodeURIComponent(number)).then(draw, function (error) {
        body.replaceChildren(h("p", { class: "problem", text: "Not shown: " + error.message + "." }));
        choices.replaceChildren(erp.button("Close", function () { box.close(); }, "primary"));
      });
    }
    load();
  };

  amor.askTakeBack = function (order, connectors, done) {
    var once = erp.key();
    var system = h("select", { id: "take-back-system" }, connectors.map(function (name) { return h("option", { value: name, text: name }); }));
    var quantity = h("input", { id: "take-back-quantity", inputmode: "decimal", maxlength: "40", autocomplete: "off" });
    var more = [h("label", { for: "take-back-quantity", text: "Good pieces to take back" }), quantity];
    if (connectors.length > 1) more.push(h("label", { for: "take-back-system", text: "From" }), system);
    erp.ask("Take back from order " + order, "Pieces that turned out not to be good are taken back by reversals of the order's newest postings. What was posted stays on record.", "Take back", more, function (reason) {
      if (!/^\d+([.]\d+)?$/.test(quantity.value.trim()) || !Number(quantity.value)) {
        quantity.focus();
        return Promise.reject(new Error("write how many, as 2"));
      }
      return amor.post("/api/v1/erp/take-back", { connector: system.value, order: order, quantity: quantity.value.trim(), reason: reason, key: once }).then(done);
    });
  };
})();
