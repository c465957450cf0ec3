// Made, posted, booked: the newest comparison with each system, order by order, what differs, and comparing now.
(function () {
  "use strict";
  var amor = window.amor;
  var erp = amor.erp;
  var h = amor.h;
  var state = amor.state;
  var COMPARED_S = 26 * 3600; // once a night, and some patience

  var COLUMNS = [["Order", "order_number"], ["Made", "made"], ["Posted", "posted"], ["On the way", "waiting"], ["Parked", "parked"], ["In the system", "erp"]];
  // These only where there is something of it to see.
  var TAKEN_BACK = ["Taken back", "reversed"];
  var SCRAP = ["Scrap: made / posted / there", "scrap"];
  function told(value) {
    return value !== null && value !== undefined;
  }
  function columnsOf(lines) {
    var columns = COLUMNS.slice();
    if (lines.some(function (line) { return Number(line.reversed || 0) > 0; })) columns.splice(2, 0, TAKEN_BACK);
    if (lines.some(function (line) { return told(line.scrap_made) || Number(line.scrap_erp || 0) > 0 || Number(line.scrap_posted || 0) > 0; })) columns.push(SCRAP);
    return columns;
  }
  function scrap(line) {
    var isOff = told(line.scrap_erp) && Number(line.scrap_erp) !== Number(line.scrap_posted);
    var text = [line.scrap_made, line.scrap_posted, line.scrap_erp].map(function (value) { return told(value) ? erp.quantity(value) : "–"; }).join(" / ");
    return isOff ? h("span", { class: "ill", text: "▲ " + text }) : text;
  }
  function cell(line, name) {
    if (name === "order_number") return erp.orderLink(line.order_number);
    if (name === "scrap") return scrap(line);
    if (!told(line[name])) return "not told";
    var isOff = (name === "erp" && Number(line.erp) !== Number(line.posted)) || (name === "parked" && Number(line.parked) > 0);
    return isOff ? h("span", { class: "ill", text: "▲ " + erp.quantity(line[name]) }) : erp.quantity(line[name]);
  }
  function compared(found) {
    if (!found.at) return "Not compared yet. The relay compares every night.";
    var text = found.orders + (found.orders === 1 ? " order" : " orders") + " compared" + (found.actor === "relay" ? "" : " for " + found.actor);
    return text + (found.differences ? ", " + found.differences + (found.differences === 1 ? " differs" : " differ") : ": all agree");
  }
  function comparison(found) {
    var columns = columnsOf(found.lines);
    var said = h("p", { class: "said", role: "status" });
    return h("div", { class: "compared", "data-compared": found.connector }, [
      h("div", { class: "compared-head" }, [
        h("p", {}, [h("span", { class: "strong", text: found.connector }), " ", h("span", { class: found.differences ? "ill" : "soft", text: (found.differences ? "▲ " : found.at ? "✓ " : "") + compared(found) }), h("span", { class: "compared-at", "data-at": found.at })]),
        erp.mayAct() ? erp.button("Compare now", function (event) { compareNow(found.connector, event.target, said); }, "quiet", "Compare " + found.connector + " now") : "",
      ]),
      said,
      found.lines.length ? erp.table("Orders that differ in " + found.connector, columns.map(function (column, n) { return [column[0], n ? "num" : ""]; }).concat([["What a person might do", "words"]]), found.lines.map(function (line) {
        return columns.map(function (column) { return cell(line, column[1]); }).concat([amor.capital(line.proposal)]);
      }), "") : "",
    ]);
  }
  erp.drawComparedAt = function () {
    document.querySelectorAll(".compared-at[data-at]").forEach(function (element) {
      var isOld = amor.now() - Date.parse(element.dataset.at) > COMPARED_S * 1000;
      amor.mark(element, "old", String(isOld));
      var age_s = (amor.now() - Date.parse(element.dataset.at)) / 1000;
      amor.put(element, null, (age_s < 60 ? ", just now" : ", " + amor.age(age_s) + " ago") + (isOld ? " ▲ older than a day: see whether the relay runs" : ""));
    });
  };
  function compareNow(connector, button, said) {
    button.disabled = true;
    amor.askRelay("/api/v1/erp/connectors/" + encodeURIComponent(connector) + "/compare", said).then(function () {
      said.textContent = "";
      return erp.fillComparison();
    }, function (error) {
      said.textContent = "Not compared: " + error.message;
    }).finally(function () { button.disabled = false; });
  }
  erp.fillComparison = function () {
    if (!state.erp) return Promise.resolve();
    var names = state.erp.connectors.filter(function (each) { return each.can_compare; });
    return Promise.all(names.map(function (each) { return amor.get("/api/v1/erp/connectors/" + encodeURIComponent(each.connector) + "/comparison"); })).then(function (all) {
      // The relay compares those that goods are booked in; the others never are, and are not asked about.
      var done = all.filter(function (each) { return each.at; });
      var found = done.length ? done : all;
      erp.fill("comparison", "", [found, erp.mayAct()], function () {
        return found.length ? found.map(comparison) : [h("p", { class: "nothing", text: "No connected system can be compared." })];
      });
      erp.drawComparedAt();
    }, function () {
      // The header says that the server is away; the next round asks again.
    });
  };
})();
