// One event for a business system: what it says, what was sent and answered, what it is made of, who changed it.
// And the dialogs about it: mend, dry run, send again. What needs the system itself is asked of the relay.
(function () {
  "use strict";
  var amor = window.amor;
  var erp = amor.erp;
  var h = amor.h;
  var LOOK_MS = 1000;
  var SILENT_S = 4;
  var LONGEST_S = 60; // after which a question is void
  var LONG_TEXTS = ["description", "body"];

  // --- questions to the relay ----------------------------------------------------------------------------------------------

  var waiting = new Map(); // question -> look for its answer
  amor.on("question", function (number) {
    if (waiting.has(number)) waiting.get(number)();
  });
  // Asks, and gives the answer; `said` tells meanwhile how it goes.
  amor.askRelay = function (path, said) {
    said.textContent = "Asking the relay …";
    return amor.post(path).then(function (answer) { return answer.json(); }).then(function (question) {
      return new Promise(function (resolve, reject) {
        var began = performance.now();
        function end(how, what) {
          window.clearInterval(timer);
          waiting.delete(question.id);
          how(what);
        }
        function look() {
          var waited_s = (performance.now() - began) / 1000;
          if (waited_s > LONGEST_S) return end(reject, new Error("no relay has answered for a minute. See whether `amor relay` runs."));
          if (waited_s > SILENT_S) said.textContent = "No relay has answered for " + amor.age(waited_s) + ". Does `amor relay` run? Still waiting …";
          return amor.get("/api/v1/erp/questions/" + question.id).then(function (row) {
            if (row.answered_at && waiting.has(question.id)) end(row.error ? reject : resolve, row.error ? new Error(row.error) : row.answer);
          }, function () {
            // The header says that the server is away; the next look asks again.
          });
        }
        var timer = window.setInterval(look, LOOK_MS);
        waiting.set(question.id, look);
        look(); // it may have been answered before we listened
      });
    });
  };

  // --- what an event says ------------------------------------------------------------------------------------------------

  function code(value) {
    return h("pre", { tabindex: "0", text: typeof value === "string" ? value : JSON.stringify(value, null, 2) });
  }
  function reversed(value) {
    var inner = value.payload || {};
    return erp.title({ kind: value.kind, quantity: inner.quantity || inner.yielded || null, uom: inner.uom, order_ref: inner.order_ref }) + ", of " + erp.when(inner.occurred_at || inner.ended_at);
  }
  function shown(field) {
    var value = field.value;
    if (value === null || value === "" || (Array.isArray(value) && !value.length)) return h("span", { class: "soft", text: "–" });
    if (field.kind === "instant") return h("span", { title: String(value), text: isNaN(Date.parse(value)) ? String(value) : amor.day(value) + " " + new Date(value).toLocaleTimeString("en-GB", { timeZone: amor.state.timeZone }) });
    if (field.kind === "quantity" || field.kind === "share") return document.createTextNode(erp.quantity(value));
    if (field.kind === "flag") return document.createTextNode(value ? "yes" : "no");
    if (field.name === "reverses") return document.createTextNode(reversed(value));
    if (Array.isArray(value)) return document.createTextNode(value.join(", "));
    return typeof value === "object" ? code(value) : document.createTextNode(String(value));
  }
  function fields(detail) {
    return h("dl", { class: "fields" }, detail.fields.filter(function (field) { return field.value !== null; }).map(function (field) {
      return h("div", { "data-field": field.name }, [h("dt", { text: field.label }), h("dd", {}, [shown(field)])]);
    }));
  }
  function attempts(detail) {
    if (!detail.attempts.length) return h("p", { class: "nothing", text: detail.event.state === "done" ? "Not kept any more: they are deleted some time after an event is done." : "Nothing was sent yet." });
    return h("div", { class: "attempts" }, detail.attempts.map(function (attempt, n) {
      var bad = attempt.outcome !== "ok";
      return h("details", { open: bad && n === 0 ? "" : null }, [
        h("summary", {}, [
          h("span", { class: bad ? "ill" : "soft", text: bad ? "▲ " : "✓ " }), h("span", { class: "strong", text: attempt.step }),
          h("span", { class: "soft", text: "  " + erp.when(attempt.at) + " · " + erp.outcome(attempt) + " · " + Math.round(attempt.duration_ms) + " ms" }),
        ]),
        attempt.request ? h("div", {}, [h("p", { class: "soft", text: "Request" }), code(attempt.request)]) : "",
        h("div", {}, [h("p", { class: "soft", text: "Answer" }), code(attempt.answer || "nothing")]),
      ]);
    }));
  }
  function machine(count) {
    return h("a", { href: "/machine/" + count.equipment_id, title: count.equipment, text: count.machine });
  }
  function counter(count) {
    return (count.counter_from === null ? "start" : amor.number(count.counter_from)) + " → " + amor.number(count.counter_to);
  }
  function arrived(count) {
    if (!count.received_at) return "not kept any more";
    return erp.when(count.received_at) + ", batch " + count.batch_seq + " of lane " + count.lane;
  }
  function madeOf(detail) {
    var event = detail.event;
    if (["wip_to_fg", "scrap", "consumed", "performance"].indexOf(event.kind) < 0) return [];
    if (!detail.counts.length) return [h("h3", { text: "Made of" }), h("p", { class: "nothing", text: "No counted pieces belong to it: it was not written by a rule that posts." })];
    var differs = event.kind === "wip_to_fg" && Number(event.quantity) !== detail.pieces;
    var more = detail.counts_in_all > detail.counts.length ? " The first " + detail.counts.length + ":" : "";
    return [
      h("h3", { text: "Made of" }),
      h("p", {}, [
        h("span", { text: amor.number(detail.pieces) + " pcs in " + detail.counts_in_all + (detail.counts_in_all === 1 ? " count" : " counts") + ", each told by one reading of a counter." + more }),
        differs ? h("span", { class: "ill", text: " ▲ The event says " + erp.quantity(event.quantity) + "." }) : "",
      ]),
      h("div", { class: "counts" }, [erp.table("Counts", [["Counted at"], ["Machine"], ["Pieces", "num"], ["Serial"], ["Counter", "num"], ["Tag"], ["Reading arrived"]], detail.counts.map(function (count) {
        return [erp.when(count.ts), machine(count), amor.number(count.qty) + (count.kind === "good" ? "" : " " + count.kind + (count.reason ? " (" + count.reason + ")" : "")), count.serial, counter(count), count.tag, arrived(count)];
      }), "")]),
    ];
  }
  function reversals(detail) {
    if (!detail.reversals.length) return [];
    return [h("h3", { text: detail.event.kind === "reversal" ? "Takes back" : "Taken back" }), erp.table("Reversals", [["Event"], ["Quantity", "num"], ["Why", "words"], ["By"], ["At", "num"]], detail.reversals.map(function (each) {
      var other = each.outbox_id === detail.event.id ? each.reverses_id : each.outbox_id;
      return [erp.link(other), erp.quantity(each.quantity), each.reason, each.actor, erp.when(each.at)];
    }), "")];
  }
  function plain(value) {
    return value === null || value === undefined || value === "" ? "nothing" : typeof value === "object" ? JSON.stringify(value) : String(value);
  }
  function edits(detail) {
    if (!detail.edits.length) return [];
    return [h("h3", { text: "Changed by people" }), erp.table("Changes", [["At"], ["By"], ["What", "words"], ["Why", "words"]], detail.edits.map(function (edit) {
      return [erp.when(edit.at), edit.actor, Object.keys(edit.changed).map(function (name) { return name + ": " + plain(edit.changed[name][0]) + " → " + plain(edit.changed[name][1]); }).join("; ") || "–", edit.reason];
    }), "")];
  }
  function head(event) {
    var weight = erp.weight(event);
    var tries = event.attempts ? ", " + event.attempts + (event.attempts === 1 ? " try" : " tries") : "";
    return h("p", { class: "event-state", "data-weight": weight }, [
      erp.sign(weight), h("span", { class: "word", text: " " + erp.stateWord(event) }),
      h("span", { text: " · " + event.connector + ", " + event.stream + " number " + event.seq + ", written " + erp.when(event.created_at) + tries + (event.done_at ? ", taken " + erp.when(event.done_at) : weight === "watch" ? ", next try " + erp.when(event.next_at) : "") }),
    ]);
  }
  function content(detail) {
    var event = detail.event;
    return [
      head(event),
      event.external_id ? h("p", {}, ["Document in " + event.connector + ": ", h("span", { class: "strong document", text: event.external_id })]) : "",
      event.last_error ? h("p", { class: "error", text: event.last_error }) : "",
      h("h3", { text: "What it says" }),
      fields(detail),
    ].concat(madeOf(detail), reversals(detail), edits(detail), [h("h3", { text: "Requests and answers, newest first" }), attempts(detail)]);
  }

  // --- its dialog --------------------------------------------------------------------------------------------------------

  var open = null; // {number, detail, draw}
  function address(number) {
    if (window.location.pathname === "/erp") window.history.replaceState(window.history.state, "", number ? "/erp?event=" + number : "/erp");
  }
  amor.showEvent = function (number) {
    amor.get("/api/v1/erp/events/" + number).then(function (detail) { showDetail(number, detail); }, function (error) {
      var box = amor.dialog("Event " + number, "", [h("p", { text: "Not shown: " + error.message + "." }), h("div", { class: "choices" }, [erp.button("Close", function () { box.close(); }, "primary")])]);
    });
  };
  function showDetail(number, detail) {
    var body = h("div", { class: "event-body" });
    var said = h("div", { class: "said", role: "status" });
    var choices = h("div", { class: "choices" });
    var box = amor.dialog("Event " + number + ": " + erp.title(detail.event), "wide event", [body, said, choices]);
    var mine = { number: number, detail: detail, draw: draw, isBusy: false };
    var before = open;
    open = mine;
    address(number);
    box.addEventListener("close", function () {
      open = before;
      address(before && before.number);
    });
    function draw(found) {
      mine.detail = found;
      amor.put(box, "h2", "Event " + number + ": " + erp.title(found.event));
      body.replaceChildren.apply(body, content(found).filter(Boolean));
      choices.replaceChildren.apply(choices, acts(found));
    }
    function step(verb, words) {
      said.textContent = "";
      return amor.post("/api/v1/erp/events/" + number + "/" + verb).then(function () {
        said.textContent = words;
        return refresh(mine);
      }, function (error) { said.replaceChildren(h("p", { class: "problem", text: "Not done: " + error.message + "." })); });
    }
    function settle(event) {
      var document_ = h("input", { id: "settle-document", maxlength: "200", autocomplete: "off" });
      erp.ask("Event " + number + " was booked by hand", "Somebody has booked exactly this in " + event.connector + ". It counts as posted, nothing is sent, and what waits behind it goes on.", "It is booked", [h("label", { for: "settle-document", text: "Its document there (optional)" }), document_], function (reason) {
        return amor.post("/api/v1/erp/events/" + number + "/settle", { reason: reason, document: document_.value.trim() || null }).then(function () { return refresh(mine); });
      });
    }
    function takeBack(event) {
      var once = erp.key();
      var quantity = h("input", { id: "take-back-quantity", inputmode: "decimal", maxlength: "40", autocomplete: "off" });
      var more = [h("label", { for: "take-back-quantity", text: "How much of it (empty: all that is left)" }), quantity];
      erp.ask("Take event " + number + " back", "A reversal takes it back in " + event.connector + "; what was posted stays on record. Some systems take such an event back as a whole only: what is refused waits for a person.", "Take back", more, function (reason) {
        var wanted = quantity.value.trim();
        if (wanted && (!/^\d+([.]\d+)?$/.test(wanted) || !Number(wanted))) {
          quantity.focus();
          return Promise.reject(new Error("write how much, as 2, or nothing"));
        }
        return amor.post("/api/v1/erp/events/" + number + "/take-back", { quantity: wanted || null, reason: reason, key: once }).then(function () { return refresh(mine); });
      });
    }
    function acts(found) {
      var event = found.event;
      var may = erp.mayAct();
      return [
        may && event.state === "parked" ? erp.button("Edit", function () { edit(mine, body, choices, said); }) : "",
        may && event.state !== "done" ? erp.button("Dry run", function (clicked) { dryRun(event, clicked.target, said); }) : "",
        may && event.kind === "wip_to_fg" && event.state === "done" && event.order_ref ? erp.button("Take back …", function () { amor.askTakeBack(event.order_ref, [event.connector], function () { refresh(mine); }); }) : "",
        may && ["scrap", "consumed", "performance"].indexOf(event.kind) >= 0 && event.state === "done" && event.order_ref ? erp.button("Take back …", function () { takeBack(event); }) : "",
        may && event.state === "parked" ? erp.button("Booked by hand …", function () { settle(event); }) : "",
        may && event.state === "parked" ? erp.button("Replay", function () { step("replay", "It is on its way; it is looked up there before it is sent."); }, "primary") : "",
        erp.button("Close", function () { box.close(); }, may && event.state === "parked" ? "quiet" : "primary"),
      ].filter(Boolean);
    }
    draw(detail);
  }
  function refresh(mine) {
    if (mine.isBusy) return Promise.resolve();
    return amor.get("/api/v1/erp/events/" + mine.number).then(function (found) {
      if (!mine.isBusy && JSON.stringify(found) !== JSON.stringify(mine.detail)) mine.draw(found);
    }, function () {
      // The header says that the server is away.
    });
  }
  // What the relay does to an event that somebody looks at is seen at once.
  amor.on("erp", function () {
    if (open) refresh(open);
  });
  amor.on("me", function () {
    if (open && !open.isBusy) open.draw(open.detail);
  });

  // --- dry run and edit --------------------------------------------------------------------------------------------------

  function dryRun(event, button, said) {
    button.disabled = true;
    amor.askRelay("/api/v1/erp/events/" + event.id + "/dry-run", said).then(function (answer) {
      if (!answer.steps.length) {
        said.textContent = "Nothing would be sent: " + event.connector + " has it" + (answer.has_it_as ? " as " + answer.has_it_as : "") + ".";
        return;
      }
      said.replaceChildren(h("h3", { text: "Would go out now" }), h("ol", { class: "steps" }, answer.steps.map(function (step) {
        return h("li", {}, [h("p", {}, [h("span", { class: "strong", text: step.name }), " " + step.call, h("span", { class: "soft", text: step.is_repeatable ? " (may be sent again)" : " (never sent twice without a look)" })]), code(step.body)]);
      })));
      said.scrollIntoView({ block: "nearest" });
    }, function (error) {
      said.replaceChildren(h("p", { class: "problem", text: "No dry run: " + error.message }));
    }).finally(function () { button.disabled = false; });
  }
  function input(field) {
    var id = "field-" + field.name;
    if (field.kind === "flag") {
      var tick = h("input", { id: id, type: "checkbox" });
      tick.checked = Boolean(field.value);
      return tick;
    }
    var element = h(LONG_TEXTS.indexOf(field.name) < 0 ? "input" : "textarea", { id: id, maxlength: "2000", autocomplete: "off", inputmode: field.kind === "quantity" || field.kind === "share" ? "decimal" : null });
    element.value = field.value === null ? "" : Array.isArray(field.value) ? field.value.join(", ") : String(field.value);
    return element;
  }
  function wanted(field, element) {
    if (field.kind === "flag") return element.checked;
    if (field.kind !== "texts") return element.value;
    return element.value.split(",").map(function (text) { return text.trim(); }).filter(Boolean);
  }
  function edit(mine, body, choices, said) {
    var may = mine.detail.fields.filter(function (field) { return field.kind !== "fixed"; });
    var inputs = may.map(input);
    var began = inputs.map(function (element, n) { return JSON.stringify(wanted(may[n], element)); });
    var reason = h("textarea", { id: "edit-reason", maxlength: "1000" });
    var problem = h("p", { class: "problem", role: "alert" });
    mine.isBusy = true;
    said.replaceChildren();
    function back() {
      mine.isBusy = false;
      mine.draw(mine.detail);
    }
    function save() {
      var changes = {};
      may.forEach(function (field, n) {
        var value = wanted(field, inputs[n]);
        if (JSON.stringify(value) !== began[n]) changes[field.name] = value;
      });
      if (!Object.keys(changes).length) problem.textContent = "Nothing is changed yet.";
      else if (!reason.value.trim()) problem.textContent = "Write why: it is kept with the change.";
      else {
        amor.post("/api/v1/erp/events/" + mine.number + "/edit", { changes: changes, reason: reason.value, seen: mine.detail.edits.length }).then(function (answer) { return answer.json(); }).then(function (found) {
          mine.detail = found;
          back();
          said.textContent = "Changed. Replay sends it again, as the same fact.";
        }, function (error) { problem.textContent = "Not changed: " + error.message + "."; });
      }
    }
    body.replaceChildren(
      h("p", { class: "soft", text: "It stays the same fact, under the same id: only what it says is mended. Times are ISO 8601 with their zone." + (mine.detail.counts.length ? " Its pieces were counted: where fewer of them were good, send it as it is and take pieces back." : "") }),
      mine.detail.event.last_error ? h("p", { class: "error", text: mine.detail.event.last_error }) : "",
      h("div", { class: "edit-fields" }, may.map(function (field, n) {
        return h("div", {}, [h("label", { for: inputs[n].id, text: field.label + (field.kind === "texts" ? ", with commas" : "") }), inputs[n]]);
      })),
      h("label", { for: "edit-reason", text: "Why you change it" }), reason, problem
    );
    choices.replaceChildren(erp.button("Cancel", back), erp.button("Change", save, "primary"));
    inputs[0].focus();
  }
})();
