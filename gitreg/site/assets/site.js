"use strict";
// What every page needs: making elements, numbers, the theme, copying, the search field.
const gitreg = (() => {
  const root = document.documentElement.dataset.root;

  /** Return an element. Text stays text: nothing here makes markup of it. */
  const el = (name, attributes = {}, ...inside) => {
    const made = name.startsWith("svg:")
      ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "href" && !/^(https?:|[^:]*$)/.test(value)) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value === true ? "" : String(value));
    }
    for (const part of inside.flat(Infinity)) {
      if (part !== null && part !== undefined && part !== false) made.append(part);
    }
    return made;
  };

  /** Return an object's own value: a registry may call a metric `constructor`. */
  const own = (from, key) => (from && Object.hasOwn(from, key) ? from[key] : undefined);
  const bdi = (text) => el("bdi", {}, String(text ?? ""));
  const number = (value) =>
    typeof value !== "number" ? String(value ?? "")
      : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  const moment = (text) => (text ? text.slice(0, 16).replace("T", " ") : "");
  /** Return a moment as an element, which no line breaks. */
  const when = (text) => (text ? el("time", { datetime: text }, moment(text)) : "");
  const person = (author) => {
    const name = String(author ?? "").split("<")[0].trim();
    return el("bdi", { title: author }, name || String(author ?? "").replace(/[<>]/g, ""));
  };
  const commit = (oid, page) => {
    if (!oid) return "";
    const short = oid.slice(0, 9);
    return page ? el("a", { class: "oid", href: page + oid, rel: "noopener noreferrer" }, short)
      : el("code", { class: "oid" }, short);
  };
  const size = (bytes) => {
    let amount = bytes;
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (amount < 1000 || unit === "GB") return `${unit === "B" ? amount : amount.toFixed(1)} ${unit}`;
      amount /= 1000;
    }
    return "";
  };
  const table = (heads, rows, label) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${label}, a table` },
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));

  /** Load a script with data once; the script calls a function of this object. */
  const loaded = new Map();
  const load = (address) => {
    if (!loaded.has(address)) {
      loaded.set(address, new Promise((done, failed) => {
        const script = el("script", { src: address });
        script.addEventListener("load", done);
        script.addEventListener("error", () => failed(new Error(`${address} is missing`)));
        document.head.append(script);
      }));
    }
    return loaded.get(address);
  };

  const asked = new URLSearchParams(location.search);
  document.querySelector(".theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme
      ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("gitreg-theme", next); } catch { /* storage is switched off */ }
    document.dispatchEvent(new Event("gitreg-theme"));
  });
  document.querySelector(".find")?.addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = `${root}search.html?q=${encodeURIComponent(document.getElementById("find").value)}`;
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  // Paper has all that is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
  return { el, own, bdi, number, moment, when, person, commit, size, table, load, asked, root };
})();
