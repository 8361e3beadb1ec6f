"use strict";
// Tables that sort by a click on their heads and filter as one types. The rest of a long table comes in scripts.
for (const table of document.querySelectorAll("table[data-rows]")) {
  const body = table.tBodies[0];
  const field = document.querySelector(`[data-filter="${table.id}"]`);
  const shown = field.closest(".head").querySelector(".shown");
  const parts = Number(table.dataset.more);
  let rows = [...body.rows];
  let whole;

  const rest = () => {
    whole ??= (async () => {
      const texts = [];
      gitreg.rows = (part, html) => { texts[part] = html; };
      for (let part = 0; part < parts; part += 1) await gitreg.load(`rows-${part}.js`);
      const holder = document.createElement("template");
      holder.innerHTML = texts.join(""); // the build has escaped what a registry says
      body.append(holder.content);
      rows = [...body.rows];
    })();
    return whole;
  };

  const filter = async () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) await rest();
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = words.length ? `${count} of ${rows.length}` : "";
  };
  field.addEventListener("input", filter);

  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const compare = (one, other) => {
    if (one === null || other === null) return 0;
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : 1;
  };
  for (const head of table.tHead.rows[0].cells) {
    head.querySelector("button")?.addEventListener("click", async () => {
      await rest();
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = rows.map((row) => [value(row, head.cellIndex), row]);
      keyed.sort(([one], [other]) => {
        if (one === null || other === null) return (one === null) - (other === null); // nothing comes last
        return up ? compare(one, other) : compare(other, one);
      });
      rows = keyed.map(([, row]) => row);
      body.append(...rows);
    });
  }
  if (parts) {
    const more = gitreg.el("button", { type: "button" }, "Show all");
    more.addEventListener("click", async () => { await rest(); more.remove(); });
    table.parentElement.after(gitreg.el("p", {}, more));
  }
}
