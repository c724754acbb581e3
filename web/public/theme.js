/* Sets before the first paint: the colour scheme, and whether the frame is drawn at once, as for whoever was signed in here. A file
 * of its own, because the content policy forbids inline script. */
(function () {
  var wish = "auto";
  try { wish = localStorage.getItem("mantine-color-scheme-value") || "auto"; } catch (e) { /* storage refused: follow the system */ }
  var dark = wish === "dark" || (wish === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  try {
    document.documentElement.toggleAttribute("data-inside", localStorage.getItem("recount-inside") === "yes");
    document.documentElement.toggleAttribute("data-folded", localStorage.getItem("recount-nav") === "folded");
  } catch (e) { /* then nothing is drawn before the page itself */ }
})();
