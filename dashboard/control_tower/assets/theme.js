// The theme, before anything is painted: what was chosen here, else what the machine prefers.
(function () {
  "use strict";
  var kept = null;
  try {
    kept = window.localStorage.getItem("amor-theme");
  } catch (error) {
    kept = null; // a browser that keeps nothing still shows everything
  }
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = kept || (dark ? "dark" : "light");
})();
