// What a page does beside showing the state: its trends and tags, dialogs, buttons, going from page to page. Starts the feed.
(function () {
  "use strict";
  var amor = window.amor;
  var h = amor.h;
  var state = amor.state;
  var shown = null; // the page's root that was filled
  var MOST_TRENDS = 8;
  var OLD_S = 60;

  // --- trends and tags -------------------------------------------------------------------------------------------------

  function trendCard(tag, title) {
    return h("article", { class: "trend" }, [
      h("h3", {}, [title, h("span", { class: "now", "data-now": tag.id, text: "–" }), h("span", { class: "unit", text: amor.unit(tag.unit) })]),
      h("div", { class: "chart", "data-figure": "/api/v1/figures/trend/" + tag.id, "data-tag": tag.id, "data-label": title + " over time" }),
    ]);
  }
  function drawTrends(tags, titleOf, empty) {
    var place = document.querySelector('[data-live="trends"]');
    if (!place) return;
    var ids = tags
      .map(function (tag) {
        return tag.id;
      })
      .join();
    if (place.dataset.tags === ids && place.childElementCount) return;
    place.dataset.tags = ids;
    place.replaceChildren.apply(
      place,
      tags.length
        ? tags.slice(0, MOST_TRENDS).map(function (tag) {
            return trendCard(tag, titleOf(tag));
          })
        : [h("p", { class: "nothing", text: empty })]
    );
    amor.drawCharts(place);
    drawValues();
  }
  function drawValues() {
    document.querySelectorAll("[data-now]").forEach(function (element) {
      var point = state.points.get(Number(element.dataset.now));
      if (point) amor.put(element, null, amor.reading(point[1]));
    });
  }
  function severity(quality) {
    var bits = Math.floor(quality / 0x40000000) % 4;
    return bits === 0 ? "good" : bits === 1 ? "uncertain" : "bad";
  }
  function drawTags(tags) {
    var place = document.querySelector('[data-live="tags"]');
    if (!place) return;
    var rows = tags.map(function (tag) {
      return h("tr", { "data-tag-row": tag.id, "data-kind": tag.kind }, [h("td", { class: "strong", text: tag.name }), h("td", { class: "num value" }), h("td", { class: "soft", text: amor.unit(tag.unit) }), h("td", { class: "quality" }), h("td", { class: "num age soft" })]);
    });
    if (!rows.length) {
      place.replaceChildren(h("p", { class: "nothing", text: "No tags yet: nothing has been heard of this machine." }));
      return;
    }
    var heads = [["Tag"], ["Value", "num"], ["Unit"], ["Quality"], ["Age", "num"]].map(function (head) {
      return h("th", { scope: "col", class: head[1], text: head[0] });
    });
    place.replaceChildren(h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": "Tags" }, [h("table", {}, [h("thead", {}, [h("tr", {}, heads)]), h("tbody", {}, rows)])]));
    drawTagRows();
  }
  function drawTagRows() {
    document.querySelectorAll("[data-tag-row]").forEach(function (row) {
      var point = state.points.get(Number(row.dataset.tagRow));
      var age_s = point ? (amor.now() - point[0]) / 1000 : null;
      amor.put(row, ".value", point ? amor.reading(point[1]) : "–");
      amor.put(row, ".quality", point ? severity(point[2]) : "none");
      amor.put(row, ".age", point ? amor.age(age_s) : "–");
      amor.mark(row, "severity", point ? severity(point[2]) : "none");
      amor.mark(row, "old", String(row.dataset.kind === "gauge" && age_s !== null && age_s > OLD_S));
    });
  }

  // --- filling a page --------------------------------------------------------------------------------------------------

  function fillPlant() {
    amor.get("/api/v1/watched").then(function (tags) {
      drawTrends(
        tags,
        function (tag) {
          return tag.machine.name + " " + tag.name;
        },
        "No rule with a limit watches a tag yet."
      );
    }, quiet);
  }
  function fillMachine(id) {
    amor.get("/api/v1/machines/" + id + "?window=" + state.window).then(function (detail) {
      drawTrends(
        detail.tags
          .filter(function (tag) {
            return tag.kind === "gauge" && tag.datatype === "number";
          })
          .sort(function (a, b) {
            return b.limits.length - a.limits.length;
          }),
        function (tag) {
          return tag.name;
        },
        "No measured values yet."
      );
      drawTags(detail.tags);
    }, quiet);
  }
  function quiet() {
    // The header says that the server is away; the next snapshot asks again.
  }
  amor.fillPage = function (again) {
    var page = document.querySelector("#page [data-page]");
    if (!page || (page === shown && !again)) return;
    var isNew = page !== shown;
    shown = page;
    var machine = page.dataset.ofMachine ? [Number(page.dataset.ofMachine)] : null;
    if (isNew && String(machine) !== String(state.machinesOfPage)) amor.subscribe({ machinesOfPage: machine });
    amor.drawAll();
    amor.drawCharts(page);
    if (page.dataset.page === "plant") fillPlant();
    if (page.dataset.page === "alarms") amor.fillAlarms();
    if (page.dataset.page === "erp") amor.fillErp(isNew);
    if (machine) fillMachine(machine[0]);
  };

  // --- dialogs ---------------------------------------------------------------------------------------------------------

  function dialog(title, className, content) {
    var opener = document.activeElement;
    var box = h("dialog", { class: className, "aria-label": title }, [h("h2", { text: title })].concat(content));
    box.addEventListener("close", function () {
      box.remove();
      if (opener && opener.isConnected) opener.focus();
    });
    document.body.append(box);
    box.showModal();
    return box;
  }
  amor.dialog = dialog;
  amor.askAcknowledge = function (alarm) {
    var note = h("textarea", { id: "ack-note", maxlength: "1000" });
    var problem = h("p", { class: "problem", role: "alert" });
    var send = h("button", { class: "primary", type: "button", text: "Acknowledge" });
    var box = dialog("Acknowledge alarm", "", [
      h("p", { class: "strong", text: alarm.message }),
      h("p", { class: "soft", text: (alarm.consequence ? "Consequence: " + alarm.consequence + ". " : "") + "Response: " + alarm.response }),
      h("label", { for: "ack-note", text: "Note (what you found or did)" }),
      note,
      problem,
      h("div", { class: "choices" }, [
        h("button", { class: "quiet", type: "button", text: "Cancel", click: function () { box.close(); } }),
        send,
      ]),
    ]);
    note.focus();
    send.addEventListener("click", function () {
      send.disabled = true;
      amor.post("/api/v1/alarms/" + alarm.id + "/ack", { note: note.value }).then(
        function () {
          box.close();
        },
        function (error) {
          send.disabled = false;
          problem.textContent = "Not acknowledged: " + error.message + ".";
        }
      );
    });
  };
  amor.showEvidence = function (ticket, source) {
    var box = dialog("Evidence of ticket #" + ticket.id, "wide", [
      h("p", { class: "strong", text: ticket.title }),
      h("p", { class: "soft", text: ticket.description }),
      h("img", { src: source, alt: "Readings around the event of ticket " + ticket.id }),
      h("div", { class: "choices" }, [h("button", { class: "primary", type: "button", text: "Close", click: function () { box.close(); } })]),
    ]);
  };

  // --- buttons and links -----------------------------------------------------------------------------------------------

  function chooseWindow(name) {
    amor.subscribe({ window: name });
    remember("amor-window", name);
    amor.drawAll();
    amor.reloadCharts();
  }
  function changeTheme() {
    var theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("amor-theme", theme);
    amor.repaintCharts();
  }
  function remember(name, value) {
    try {
      window.localStorage.setItem(name, value);
    } catch (error) {
      return; // a browser that keeps nothing still works
    }
  }
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-go]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      amor.go(link.getAttribute("href"));
      window.scrollTo(0, 0);
      return;
    }
    var button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.window) chooseWindow(button.dataset.window);
    if (button.dataset.action === "theme") changeTheme();
    if (button.dataset.action === "logout") amor.post("/api/v1/logout").finally(amor.login);
  });

  amor.on("points", function () {
    drawValues();
    drawTagRows();
  });
  amor.on("all", function () {
    var page = document.querySelector("#page [data-page]");
    if (page && page.dataset.page === "away") amor.go(window.location.pathname);
    drawValues();
    amor.reloadCharts();
    if (page) amor.fillPage(true);
  });
  // Ages move while nothing else does.
  window.setInterval(function () {
    amor.drawAll();
    drawTagRows();
  }, 1000);
  // Tags come to be while one looks.
  window.setInterval(function () {
    if (amor.feed().pulse === "live") amor.fillPage(true);
  }, 10000);

  var kept = null;
  try {
    kept = window.localStorage.getItem("amor-window");
  } catch (error) {
    kept = null;
  }
  if (["shift", "15m", "1h", "24h"].indexOf(kept) >= 0) state.window = kept;
  new MutationObserver(function () {
    amor.fillPage(false);
  }).observe(document.body, { childList: true, subtree: true });
  amor.start();
})();
