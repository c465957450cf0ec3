// The live feed: one socket, reconnected for ever, into one state that the pages are drawn from.
// Frames are described in docs/live-feed.md.
(function () {
  "use strict";
  var amor = (window.amor = window.amor || {});
  var SILENT_S = 6; // three heartbeats
  var FIRST_WAIT_MS = 500;
  var LONGEST_WAIT_MS = 10000;
  var REFUSALS_BEFORE_ASKING = 2;

  var state = (amor.state = {
    window: "shift",
    machinesOfPage: null,
    plant: null,
    machines: [],
    alarms: new Map(),
    tickets: new Map(),
    orders: [],
    erp: null, // connectors, and the events that need attention
    points: new Map(), // tag id -> [source time ms, value, quality]
    sources: {},
    me: null,
    timeZone: undefined,
    offset_ms: 0, // server's clock less ours
    heard_at: 0, // ours, monotonic
    database: true,
  });
  var listeners = {};
  var socket = null;
  var refusals = 0;
  var wait_ms = FIRST_WAIT_MS;
  var snapshotSeq = 0;
  var leaving = false;
  var heardFrame = 0;

  amor.on = function (what, listener) {
    (listeners[what] = listeners[what] || []).push(listener);
  };
  function tell(what, detail) {
    (listeners[what] || []).forEach(function (listener) {
      listener(detail);
    });
  }
  amor.now = function () {
    return Date.now() + state.offset_ms;
  };

  // --- frames ----------------------------------------------------------------------------------------------------------

  function setServerTime(text) {
    state.offset_ms = Date.parse(text) - Date.now();
  }
  function keyed(rows) {
    return new Map(
      rows.map(function (row) {
        return [row.id, row];
      })
    );
  }
  function takePoints(points) {
    var fresh = [];
    points.forEach(function (point) {
      var known = state.points.get(point[0]);
      if (known && known[0] >= point[1]) return; // redelivered, or held by the snapshot already
      state.points.set(point[0], [point[1], point[2], point[3]]);
      fresh.push(point);
    });
    return fresh;
  }
  var take = {
    hello: function (frame) {
      setServerTime(frame.server_time);
      state.me = { login: frame.login, role: frame.role };
      state.timeZone = frame.time_zone;
      tell("me");
    },
    snapshot: function (frame) {
      snapshotSeq = frame.seq;
      setServerTime(frame.server_time);
      state.plant = frame.plant;
      state.machines = frame.machines;
      state.alarms = keyed(frame.alarms);
      state.tickets = keyed(frame.tickets);
      state.orders = frame.orders;
      state.erp = frame.erp;
      takePoints(frame.points);
      tell("all");
    },
    kpis: function (frame) {
      if (frame.plant.window.name !== state.window) return;
      state.plant = frame.plant;
      tell("kpis");
    },
    machines: function (frame) {
      state.machines = frame.machines;
      tell("machines");
    },
    business: function (frame) {
      state.orders = frame.orders;
      tell("orders");
    },
    points: function (frame) {
      var fresh = takePoints(frame.points);
      if (fresh.length) tell("points", fresh);
    },
    alarm: function (frame) {
      var alarm = frame.alarm;
      if (alarm.closed_at) state.alarms.delete(alarm.id);
      else {
        if (!state.alarms.has(alarm.id)) tell("raised", alarm);
        state.alarms.set(alarm.id, alarm);
      }
      tell("alarms");
    },
    alarms: function (frame) {
      state.alarms = keyed(frame.alarms);
      tell("alarms");
    },
    ticket: function (frame) {
      if (frame.ticket.closed_at) state.tickets.delete(frame.ticket.id);
      else state.tickets.set(frame.ticket.id, frame.ticket);
      tell("tickets");
    },
    tickets: function (frame) {
      state.tickets = keyed(frame.tickets);
      tell("tickets");
    },
    erp: function (frame) {
      state.erp = frame.erp;
      tell("erp");
    },
    question: function (frame) {
      tell("question", frame.question);
    },
    heartbeat: function (frame) {
      setServerTime(frame.server_time);
      state.database = frame.database;
      state.sources = frame.sources;
    },
  };
  function receive(event) {
    var frame = JSON.parse(event.data);
    heardFrame = performance.now();
    // Fresh is what a database stands behind: a greeting alone says nothing of the plant.
    if (frame.type !== "hello" && (frame.type !== "heartbeat" || (frame.database && state.plant))) state.heard_at = performance.now();
    if (frame.seq <= snapshotSeq && frame.type !== "snapshot" && frame.type !== "hello") return;
    if (take[frame.type]) take[frame.type](frame);
  }

  // --- connection ------------------------------------------------------------------------------------------------------

  function address() {
    var scheme = window.location.protocol === "https:" ? "wss://" : "ws://";
    var machines = state.machinesOfPage ? "&machines=" + state.machinesOfPage.join(",") : "";
    return scheme + window.location.host + "/ws/v1/live?window=" + state.window + machines;
  }
  amor.login = function () {
    leaving = true;
    window.location.assign("/login?next=" + encodeURIComponent(window.location.pathname + window.location.search));
  };
  // A refused handshake looks like a lost connection: ask whether we are still logged in.
  function askWhoIAm() {
    fetch("/api/v1/me").then(
      function (answer) {
        if (answer.status === 401) amor.login();
      },
      function () {
        refusals = 0; // the server is away: that is no refusal
      }
    );
  }
  function connect() {
    snapshotSeq = 0;
    var opened = false;
    socket = new WebSocket(address());
    socket.onopen = function () {
      opened = true;
      refusals = 0;
      wait_ms = FIRST_WAIT_MS;
    };
    socket.onmessage = receive;
    socket.onclose = function (event) {
      if (leaving) return;
      if (event.code === 4401) {
        amor.login();
        return;
      }
      if (!opened && (refusals += 1) >= REFUSALS_BEFORE_ASKING) askWhoIAm();
      window.setTimeout(connect, wait_ms * (0.75 + Math.random() / 2));
      wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
    };
  }
  // A socket that says nothing for long is dead, whatever it believes itself.
  function watch() {
    if (!socket || socket.readyState !== WebSocket.OPEN || performance.now() - heardFrame < 3 * SILENT_S * 1000) return;
    socket.onclose = socket.onmessage = null; // the closing handshake would wait for an answer that never comes
    socket.close();
    connect();
  }

  // --- what pages ask for ----------------------------------------------------------------------------------------------

  amor.subscribe = function (changes) {
    Object.assign(state, changes);
    if (socket && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ type: "subscribe", window: state.window, machines: state.machinesOfPage }));
    }
  };
  amor.feed = function () {
    if (!state.heard_at) return { pulse: "wait", age_s: 0 };
    var age_s = (performance.now() - state.heard_at) / 1000;
    return { pulse: age_s > SILENT_S ? "stale" : "live", age_s: age_s };
  };
  // What the server says is wrong, in its words: a text, or one for each field.
  function words(status, detail) {
    if (typeof detail === "string") return detail;
    if (!Array.isArray(detail)) return "the server answered " + status;
    return detail
      .map(function (problem) {
        return problem.loc[problem.loc.length - 1] + ": " + problem.msg;
      })
      .join("; ");
  }
  function checked(answer) {
    if (answer.status === 401) amor.login();
    if (answer.ok) return answer;
    return answer.json().then(
      function (said) {
        throw new Error(words(answer.status, said.detail));
      },
      function () {
        throw new Error("the server answered " + answer.status);
      }
    );
  }
  amor.post = function (path, body) {
    return fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body || {}),
    }).then(checked);
  };
  amor.get = function (path) {
    return fetch(path)
      .then(checked)
      .then(function (answer) {
        return answer.json();
      });
  };
  amor.start = function () {
    connect();
    window.setInterval(watch, 2000);
  };
})();
