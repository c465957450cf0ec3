// Alarms: one alarm with its way through the states and what can be done about it; the page of all of them with their load.
(function () {
  "use strict";
  var amor = window.amor;
  var h = amor.h;
  var state = amor.state;

  // --- one alarm -------------------------------------------------------------------------------------------------------

  var EVENTS = { RAISE: "raised", ESCALATE: "escalated", DEESCALATE: "de-escalated", ACK: "acknowledged", RETURN: "returned to normal", LATCH: "latched", RESET: "reset", CLEAR: "closed", QUALITY: "quality of its inputs changed", REALARM: "called again", RETRACT: "retracted" };
  var SPANS = [["15 min", 0.25], ["1 h", 1], ["4 h", 4], ["8 h", 8]];

  function eventWord(event) {
    return EVENTS[event.kind] || event.kind.toLowerCase().replace(/_/g, " ");
  }
  function when(time) {
    return amor.day(time) + " " + new Date(time).toLocaleTimeString("en-GB", { timeZone: state.timeZone });
  }
  function table(title, heads, rows, empty) {
    if (!rows.length) return h("p", { class: "nothing", text: empty });
    return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": title }, [
      h("table", {}, [
        h("thead", {}, [h("tr", {}, heads.map(function (head) { return h("th", { scope: "col", text: head }); }))]),
        h("tbody", {}, rows.map(function (row) {
          return h("tr", {}, row.map(function (cell, place) { return h("td", { class: place ? "" : "strong" }, [cell instanceof Node ? cell : document.createTextNode(String(cell))]); }));
        })),
      ]),
    ]);
  }
  function inputRows(inputs) {
    return Object.keys(inputs || {}).map(function (name) {
      var input = inputs[name];
      return [input.tag || name, amor.reading(input.value) + " " + amor.unit(input.unit || ""), (input.quality || "").toLowerCase(), input.at ? when(input.at) : "–"];
    });
  }
  function eventRows(events) {
    return events.map(function (event) {
      return [when(event.at), eventWord(event) + (event.severity ? " (" + event.severity + ")" : "") + (event.annunciated === false ? ", nobody called" : ""), event.actor, event.note];
    });
  }
  function step(box, problem, path, body) {
    return amor.post(path, body).then(
      function () {
        box.close();
        amor.fillAlarms();
      },
      function (error) {
        problem.textContent = "Not done: " + error.message + ". Close this and look at the alarm again.";
      }
    );
  }
  function button(text, act, kind) {
    return h("button", { class: kind || "quiet", type: "button", text: text, click: act });
  }

  amor.showAlarm = function (id) {
    amor.get("/api/v1/alarms/" + id).then(function (detail) {
      var alarm = detail.alarm;
      var problem = h("p", { class: "problem", role: "alert" });
      var at = "/api/v1/alarms/" + id + "/";
      var choices = h("div", { class: "choices" }, []);
      var box = amor.dialog("Alarm " + id, "wide", [
        h("p", { class: "strong" }, [amor.badge(alarm.severity), h("span", { text: " " + alarm.message })]),
        h("p", { class: "soft", text: amor.whereIs(alarm) + " · " + amor.capital(alarm.severity) + " · " + (amor.ALARM_WORDS[alarm.state] || alarm.state.toLowerCase()) + amor.overlayWord(alarm) }),
        h("p", { text: (alarm.consequence ? "Consequence: " + alarm.consequence + ". " : "") + "Response: " + alarm.response }),
        h("p", { class: "soft", text: "Rule " + alarm.rule_id + ", version " + alarm.rule_version + "." }),
        h("h3", { text: "What it saw when it was raised" }),
        table("Inputs", ["Tag", "Value", "Quality", "Read at"], inputRows(alarm.inputs), "It names no inputs."),
        h("h3", { text: "Its way through the states" }),
        table("History", ["At", "What", "By", "Note"], eventRows(detail.events), "Nothing yet."),
        problem,
        choices,
      ]);
      if (state.me && state.me.role !== "viewer") {
        if (!alarm.closed_at && !alarm.acked_at) choices.append(button("Acknowledge", function () { box.close(); amor.askAcknowledge(alarm); }, "primary"));
        if (alarm.state === "LATCHED") choices.append(button("Reset", function () { step(box, problem, at + "reset", { note: "", seen: alarm.revision }); }));
        if (alarm.overlay === "shelved") choices.append(button("Take off the shelf", function () { step(box, problem, at + "unshelve", { note: "" }); }));
        else if (!alarm.closed_at) choices.append(button("Shelve", function () { box.close(); askShelve(alarm); }));
        choices.append(button("It was true", function () { step(box, problem, at + "verdict", { verdict: "true", note: "" }); }));
        choices.append(button("It was false", function () { step(box, problem, at + "verdict", { verdict: "false", note: "" }); }));
      }
      choices.append(button("Close", function () { box.close(); }));
    }, function () {
      // The header says that the server is away.
    });
  };

  function askShelve(alarm) {
    var reason = h("textarea", { id: "shelve-reason", maxlength: "500" });
    var span = h("select", { id: "shelve-span" }, SPANS.map(function (each) { return h("option", { value: each[1], text: each[0] }); }));
    var once = h("input", { id: "shelve-once", type: "checkbox" });
    var problem = h("p", { class: "problem", role: "alert" });
    var box = amor.dialog("Shelve alarm", "", [
      h("p", { class: "strong", text: alarm.message }),
      h("p", { class: "soft", text: "Nobody is called by it until then; it is evaluated and written down all the same." }),
      h("label", { for: "shelve-reason", text: "Reason" }),
      reason,
      h("label", { for: "shelve-span", text: "For" }),
      span,
      h("label", { class: "tick" }, [once, h("span", { text: "or until it returns to normal, whichever is first" })]),
      problem,
      h("div", { class: "choices" }, [
        button("Cancel", function () { box.close(); }),
        button("Shelve", function () {
          if (!reason.value.trim()) {
            problem.textContent = "Write why: an alarm is not shelved without a reason.";
            reason.focus();
            return;
          }
          var until = new Date(amor.now() + Number(span.value) * 3600000).toISOString();
          step(box, problem, "/api/v1/alarms/" + alarm.id + "/shelve", { kind: once.checked ? "one_shot" : "timed", reason: reason.value, until: until, seen: alarm.revision });
        }, "primary"),
      ]),
    ]);
    reason.focus();
  }

  // --- the page --------------------------------------------------------------------------------------------------------

  var ASKED = {
    per_hour: ["Alarms an hour", function (unit) { return unit.per_hour.toFixed(1); }, "about 6; 12 is the most that people manage"],
    peak_per_10_min: ["Most in 10 minutes", function (unit) { return String(unit.peak_per_10_min); }, "10"],
    in_flood: ["Time in flood", function (unit) { return (unit.in_flood * 100).toFixed(1) + " %"; }, "under 1 %"],
    top_share: ["Ten worst sources", function (unit) { return Math.round(unit.top_share * 100) + " %"; }, "at most 5 %"],
    chattering: ["Chattering sources", function (unit) { return String(unit.chattering.length); }, "none"],
    stale: ["Standing over 24 h", function (unit) { return String(unit.stale.length); }, "under 5"],
    priorities: ["Low / medium / high and critical", function (unit) {
      var p = unit.priorities;
      return [p.low || 0, p.medium || 0, (p.high || 0) + (p.critical || 0)].map(function (share) { return Math.round(share * 100); }).join(" / ") + " %";
    }, "about 80 / 15 / 5"],
  };

  // Line and machine are enough to find it; the whole path is in the title.
  function short(path) {
    return h("span", { title: path, text: path.split("/").slice(-2).join(" / ") });
  }
  function place(name) {
    return document.querySelector('[data-live="' + name + '"]');
  }
  function fill(name, count, content) {
    var element = place(name);
    if (!element) return;
    amor.put(element.parentElement, ".count", count ? String(count) : "");
    element.replaceChildren.apply(element, content);
  }
  function verdict(unit, name) {
    var isWell = unit.verdicts[name];
    if (isWell === undefined || !unit.alarms) return h("span", {});
    return h("span", { class: isWell ? "well" : "ill", title: isWell ? "within what is asked" : "not as asked", text: isWell ? "✓" : "▲" });
  }
  function drawLoad(answer) {
    fill("alarm-load", 0, answer.units.map(function (unit) {
      return h("div", { class: "unit" }, [
        h("p", { class: "unit-name" }, [h("span", { class: "strong", text: unit.unit }), h("span", { class: unit.is_in_flood ? "ill" : "soft", text: unit.is_in_flood ? "▲ in flood now" : unit.alarms + (unit.alarms === 1 ? " alarm" : " alarms") })]),
        table("Alarm load of " + unit.unit, ["Figure", "Now", "Asked"], Object.keys(ASKED).map(function (name) {
          return [ASKED[name][0], h("span", {}, [ASKED[name][1](unit) + " ", verdict(unit, name)]), ASKED[name][2]];
        }), ""),
      ]);
    }));
    var worst = [].concat.apply([], answer.units.map(function (unit) { return unit.worst; }));
    fill("worst-sources", 0, [table("Worst sources", ["Rule", "On", "Alarms", "Share"], worst.slice(0, 10).map(function (source) {
      return [source.rule_id, short(source.equipment), source.alarms, Math.round(source.share * 100) + " %"];
    }), "No alarms in the last 24 hours.")]);
    var nuisances = [].concat.apply([], answer.units.map(function (unit) {
      return unit.chattering.map(function (each) { return [each.rule_id, short(each.equipment), "chattering, " + each.times + " times"]; }).concat(
        unit.stale.map(function (each) { return [each.rule_id, short(each.equipment), "standing since " + when(each.raised_at)]; })
      );
    }));
    fill("nuisances", nuisances.length, [table("Nuisances", ["Rule", "On", "What"], nuisances, "Nothing chatters, nothing stands for long.")]);
  }
  function drawGroups(groups) {
    var rows = groups.filter(function (group) { return group.followers.length; }).map(function (group) {
      return [group.line || "–", group.first_up.message, group.followers.map(function (each) { return each.machine + ": " + each.message; }).join("; ")];
    });
    fill("alarm-groups", rows.length, [table("First-up groups", ["Line", "First", "Then"], rows, "No alarm followed another on its line.")]);
  }
  function drawShelves(shelves) {
    var mayAct = state.me && state.me.role !== "viewer";
    fill("shelves", shelves.length, [table("Shelved", ["Rule", "On", "Until", "By", "Why", ""], shelves.map(function (each) {
      return [each.rule_id, short(each.equipment), when(each.until) + (each.kind === "one_shot" ? ", or when it returns" : ""), each.actor, each.reason, mayAct ? button("Take off", function () {
        amor.post("/api/v1/shelves/unshelve", { rule_id: each.rule_id, equipment_id: each.equipment_id, note: "" }).then(amor.fillAlarms, amor.fillAlarms);
      }) : ""];
    }), "Nothing is on the shelf.")]);
  }
  function drawOut(rows) {
    fill("out-of-service", rows.length, [table("Out of service", ["On", "Rule", "Work order", "Why", "By", "Since"], rows.map(function (each) {
      return [short(each.equipment), each.rule_id || "all", each.work_order, each.reason, each.actor, when(each.since)];
    }), "Everything is in service.")]);
  }
  function quiet() {
    // The header says that the server is away; the next round asks again.
  }
  amor.fillAlarms = function () {
    if (!place("alarm-load")) return;
    amor.get("/api/v1/alarm-load?by=console&hours=24").then(drawLoad, quiet);
    amor.get("/api/v1/alarms/groups").then(drawGroups, quiet);
    amor.get("/api/v1/shelves").then(drawShelves, quiet);
    amor.get("/api/v1/out-of-service").then(drawOut, quiet);
  };
})();
