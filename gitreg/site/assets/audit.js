"use strict";
// Events with filters, from files of 2,000 events each; the newest file first, the others when they are needed.
(() => {
  const { el, bdi, moment, person, commit } = gitreg;
  const table = document.getElementById("events");
  const [shown, older] = ["shown", "older"].map((id) => document.getElementById(id));
  const fields = Object.fromEntries(["model", "who", "action", "since", "until"].map((name) => [name, document.getElementById(`f-${name}`)]));
  const total = Number(table.dataset.parts);
  const STEP = 200;
  const parts = [];
  let first = total; // the parts from here on are loaded
  let most = STEP;
  gitreg.events = (part, events) => { parts[part] = events; };

  const takes = (one) => {
    const [, time, author, model, action] = one;
    const { value: wanted } = fields.action;
    const has = (field, text) => text.toLowerCase().includes(field.value.trim().toLowerCase());
    return has(fields.model, model) && has(fields.who, `${author} ${one[12]}`)
      && (!wanted || (wanted === "override" ? one[11] === 1 : action === wanted))
      && (!fields.since.value || time.slice(0, 10) >= fields.since.value) && (!fields.until.value || time.slice(0, 10) <= fields.until.value);
  };
  const isFiltered = () => Object.values(fields).some((field) => field.value);
  const loadUntil = async (part) => { while (first > part) { await gitreg.load(`audit/events-${first - 1}.js`); first -= 1; } };
  const chosen = () => parts.slice(first).flat().filter(takes).reverse();
  const what = (one) => [one[4], one[11] ? el("b", { class: "word override" }, " override") : ""];
  const pointer = (one) => (one[6] ? one[6].replace(/^stages\//, "").replace(/^aliases\//, "@") : one[12]);
  const moved = (one) => (one[7].length || one[8].length ? el("small", {}, ` ${one[7].slice(-3).join(", ") || "nothing"} → ${one[8].slice(-3).join(", ") || "nothing"}`) : "");

  const draw = async () => {
    await loadUntil(isFiltered() ? 0 : total - 1);
    let found = chosen();
    while (found.length < most && first > 0) { await loadUntil(first - 1); found = chosen(); }
    table.tBodies[0].replaceChildren(...found.slice(0, most).map((one) => el("tr", { "data-action": one[4] },
      el("td", { class: "date" }, moment(one[1])), el("td", {}, person(one[2])), el("td", {}, el("b", { class: `word ${one[4]}` }, what(one))),
      el("td", {}, bdi(one[3]), one[5] ? `@${one[5]}` : ""), el("td", {}, bdi(pointer(one)), moved(one)),
      el("td", {}, bdi(one[9] || one[10])), el("td", {}, commit(one[0], table.dataset.commits)))));
    shown.textContent = `${Math.min(most, found.length)} of ${first ? "more than " : ""}${found.length} events`;
    older.hidden = found.length <= most && first === 0;
  };
  let waiting = 0;
  const again = () => { clearTimeout(waiting); waiting = setTimeout(() => { most = STEP; draw(); }, 120); };
  for (const field of Object.values(fields)) for (const kind of ["input", "change"]) field.addEventListener(kind, again);
  older.addEventListener("click", () => { most += STEP; draw(); });
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());

  const names = ["commit", "time", "author", "model", "action", "version", "pointer", "before", "after", "reason", "subject", "override", "other"];
  const save = (name, type, text) => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  };
  // A cell that begins like a formula is text in a spreadsheet.
  const cell = (value) => `"${String(Array.isArray(value) ? value.join(" ") : value ?? "").replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;
  gitreg.asCsv = (events) => [names, ...events].map((row) => row.map(cell).join(",")).join("\r\n");
  gitreg.asJson = (events) => JSON.stringify(events.map((one) => Object.fromEntries(names.map((name, place) => [name, one[place]]))), null, 1);
  const all = async () => { await loadUntil(0); return chosen(); };
  gitreg.exported = all;
  document.getElementById("csv").addEventListener("click", async () => save("events.csv", "text/csv", gitreg.asCsv(await all())));
  document.getElementById("json").addEventListener("click", async () => save("events.json", "application/json", gitreg.asJson(await all())));
  if (gitreg.asked.get("model")) fields.model.value = gitreg.asked.get("model");
  draw();
})();
