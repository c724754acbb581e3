/* Sets the colour scheme before the first paint. A file of its own, because the content policy forbids inline script. */
(function () {
  var wish = "auto";
  try { wish = localStorage.getItem("mantine-color-scheme-value") || "auto"; } catch (e) { /* storage refused: follow the system */ }
  var dark = wish === "dark" || (wish === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
