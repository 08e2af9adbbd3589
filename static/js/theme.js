// Runs before the first paint, so that a dark page never flashes white.
(() => {
  const stored = localStorage.getItem("cadence-theme");
  const dark = stored ? stored === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
})();
