"use strict";
// Searches the index, which comes in parts; results of the parts that are here are shown at once.
(() => {
  const { el, bdi } = gitreg;
  const [words, shown, results] = ["words", "shown", "results"].map((id) => document.getElementById(id));
  const parts = Number(results.dataset.parts);
  const MOST = 100;
  const found = new Map();
  gitreg.found = (part, entries) => { for (const [name, entry] of Object.entries(entries)) found.set(name, entry); };
  let started;
  const loadAll = () => { started ??= Promise.all(Array.from({ length: parts }, (_, part) => gitreg.load(`search/part-${part}.js`).then(draw))); return started; };

  function draw() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) { results.replaceChildren(); shown.textContent = ""; return; }
    const hits = [];
    let count = 0;
    for (const [name, [folder, text, versions]] of found) {
      const own = `${name} ${text}`.toLowerCase();
      const base = `models/${folder}/`;
      if (wanted.every((word) => own.includes(word))) {
        count += 1;
        hits.push([wanted.every((word) => name.toLowerCase().includes(word)) ? 2 : 1, el("li", {}, el("a", { href: `${base}index.html` }, bdi(name)), el("p", {}, bdi(text)))]);
        continue;
      }
      for (const [number, place, said, sha] of versions) {
        const line = `${name}@${number} ${place} ${said} ${sha} ${text}`.toLowerCase();
        if (!wanted.every((word) => line.includes(word) || (word.length > 8 && word.startsWith(sha)))) continue;
        count += 1;
        if (hits.length < MOST * 4) hits.push([0, el("li", {}, el("a", { href: `${base}version.html?v=${number}` }, bdi(name), `@${number}`), el("p", {}, bdi([place, said].filter(Boolean).join(" · ")), " ", el("code", {}, sha)))]);
      }
    }
    hits.sort((one, other) => other[0] - one[0]);
    results.replaceChildren(...hits.slice(0, MOST).map((hit) => hit[1]));
    shown.textContent = count ? `${count} found${count > MOST ? `, the first ${MOST} are shown` : ""}` : "Nothing found";
  }
  words.value = gitreg.asked.get("q") ?? "";
  words.addEventListener("input", () => { loadAll(); draw(); });
  document.getElementById("searching").addEventListener("submit", (event) => event.preventDefault());
  if (words.value) loadAll();
  words.focus();
})();
