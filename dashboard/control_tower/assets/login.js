// The login: sends JSON, as the guard wants it, and goes to where the reader came from.
(function () {
  "use strict";
  var form = document.getElementById("login");
  var problem = document.getElementById("problem");
  var button = form.querySelector("button");

  function destination() {
    var next = new URLSearchParams(window.location.search).get("next") || "/";
    var origin = window.location.origin;
    try {
      // As the browser reads it, which leaves out tabs and takes "\" for "/": only a page of our own. With its origin, because a path
      // may begin with "//" and would name a host if it stood alone.
      var target = new URL(next, origin);
      return target.href.startsWith(origin + "/") ? origin + target.pathname + target.search : "/";
    } catch {
      return "/";
    }
  }

  function say(text) {
    problem.textContent = text;
    button.disabled = false;
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (!form.login.value || !form.password.value) {
      say("Enter login and password.");
      return;
    }
    button.disabled = true;
    problem.textContent = "";
    fetch("/api/v1/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login: form.login.value, password: form.password.value }),
    })
      .then(function (answer) {
        if (answer.ok) {
          return answer.text().then(function () {
            window.location.replace(destination());
          });
        }
        if (answer.status === 429) {
          say("Too many failed logins. Try again in " + (answer.headers.get("retry-after") || "60") + " s.");
        } else if (answer.status === 401) {
          say("Wrong login or password.");
          form.password.select();
        } else {
          say("The server cannot check this now. Try again soon.");
        }
      })
      .catch(function () {
        say("The server does not answer. Try again soon.");
      });
  });
})();
