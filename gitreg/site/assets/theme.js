// Runs before the page is drawn, so that it does not flash. Where nothing may be stored, the system decides.
"use strict";
try {
  const wanted = localStorage.getItem("gitreg-theme");
  if (wanted === "dark" || wanted === "light") document.documentElement.dataset.theme = wanted;
} catch { /* storage is switched off */ }
