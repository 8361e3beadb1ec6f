"use strict";
// Two versions of a model side by side, from the model's data.
gitreg.model = (data) => {
  const { el, own, bdi, number, when, person, size, table } = gitreg;
  const [a, b] = ["a", "b"].map((id) => document.getElementById(id));
  const place = document.getElementById("compare");
  const numbers = data.versions.map((one) => one[0]);
  for (const field of [a, b]) {
    for (const version of data.versions.toReversed()) {
      field.append(el("option", { value: version[0] }, `${version[0]}${version[2] ? ` (${version[2]})` : ""}`));
    }
  }
  if (numbers.length < 2) { place.replaceChildren(el("p", { class: "empty" }, "There are no two versions to compare.")); return; }
  const newest = numbers.at(-1);
  const given = (name) => (numbers.includes(Number(gitreg.asked.get(name))) ? Number(gitreg.asked.get(name)) : null);
  b.value = given("b") ?? newest;
  const other = data.beside[b.value] ?? numbers[numbers.indexOf(Number(b.value)) - 1] ?? numbers[1];
  a.value = given("a") ?? other;

  const same = (one, two) => JSON.stringify(one) === JSON.stringify(two);
  const differing = (one, two) => [...new Set([...Object.keys(one), ...Object.keys(two)])].filter((key) => !same(own(one, key), own(two, key)));
  const part = (title, rows, heads) => el("section", { class: "card" }, el("h2", {}, title), rows.length ? table(heads, rows, title) : el("p", { class: "empty" }, "No difference."));
  const shown = (value) => (value === undefined || value === null ? el("small", {}, "not there") : bdi(typeof value === "number" ? number(value) : String(value)));
  const two = (one, that, keys) => keys.map((key) => [bdi(key), shown(own(one, key)), shown(own(that, key))]);
  const measured = (one, that) => [...new Set([...Object.keys(one ?? {}), ...Object.keys(that ?? {})])]
    .map((name) => [bdi(name), number(own(one, name)), number(own(that, name)), gitreg.change(own(one, name), own(that, name))]);

  const range = (from, to) => {
    const [start, end] = [from.lineage?.code, to.lineage?.code];
    if (!start || !end || start[0] === end[0]) return null;
    const base = end[4] || (data.commits.includes("github") || data.commits.includes("gitlab") ? data.commits.replace(/\/(-\/)?commit\/$/, "") : "");
    if (!/^https:\/\/[^/]*(github|gitlab)/.test(base)) return null;
    const pages = base.replace(/\.git$/, "").replace(/\/$/, "");
    const address = `${pages}${/gitlab/.test(pages) ? "/-" : ""}/compare/${start[0]}...${end[0]}`;
    return el("p", {}, el("a", { href: address, rel: "noopener noreferrer" }, `Commits of the code from ${start[0].slice(0, 9)} to ${end[0].slice(0, 9)}`));
  };

  const draw = async () => {
    const [from, to] = await Promise.all([a, b].map((field) => gitreg.detail(data, Number(field.value))));
    const heads = ["What", `@${from.number}`, `@${to.number}`];
    const evaluations = [...new Set([...(from.evaluations ?? []), ...(to.evaluations ?? [])].map((one) => one.name))];
    const environment = (one) => ({ Python: one.environment?.[0], platform: one.environment?.[1], ...one.packages });
    const dataOf = (one) => Object.fromEntries((one.lineage?.data ?? []).map(([path, state]) => [path, state ?? "without a hash"]));
    const facts = (one) => ({ "code commit": one.lineage?.code?.[0], "code not in the commit": one.lineage?.code?.[2], command: one.lineage?.command, source: one.lineage?.source });
    const files = (one) => ({ "SHA-256": one.artifact[3], size: size(one.artifact[1]), files: one.artifact[2] });
    const [codeA, codeB] = [facts(from), facts(to)];
    const [envA, envB] = [environment(from), environment(to)];
    const code = part("Code", two(codeA, codeB, differing(codeA, codeB)), heads);
    const link = range(from, to);
    if (link) code.append(link);
    place.replaceChildren(
      el("p", { class: "facts" }, el("a", { href: `version.html?v=${from.number}` }, `@${from.number}`), " ", gitreg.chips(data, from.number), "registered ", when(from.at), " by ", person(from.by), " · ",
        el("a", { href: `version.html?v=${to.number}` }, `@${to.number}`), " ", gitreg.chips(data, to.number), "registered ", when(to.at), " by ", person(to.by)),
      part("Metrics", measured(from.metrics, to.metrics), [...heads, "Difference"]),
      ...evaluations.map((name) => {
        const [one, that] = [from, to].map((side) => (side.evaluations ?? []).find((each) => each.name === name));
        const fair = one && that && one.state && same([one.state, one.split], [that.state, that.split]);
        const made = part(`Evaluation ${name}`, measured(one?.metrics, that?.metrics).map((row) => (fair ? row : row.slice(0, 3))), fair ? [...heads, "Difference"] : heads);
        if (!fair) made.append(el("p", { class: "empty" }, one && that ? "The data is not the same, so the values do not compare." : "Only one of them was evaluated so."));
        return made;
      }),
      part("Parameters", two(from.params ?? {}, to.params ?? {}, differing(from.params ?? {}, to.params ?? {})), heads),
      part("Data", two(dataOf(from), dataOf(to), differing(dataOf(from), dataOf(to))), heads),
      code,
      part("Environment", two(envA, envB, differing(envA, envB)), heads),
      part("Signature", two(from.signature ?? {}, to.signature ?? {}, differing(from.signature ?? {}, to.signature ?? {})), heads),
      part("Files", two(files(from), files(to), differing(files(from), files(to))), heads),
    );
    try { history.replaceState(null, "", `?a=${from.number}&b=${to.number}`); } catch { /* not allowed from a folder */ }
  };
  for (const field of [a, b]) field.addEventListener("change", draw);
  document.getElementById("swap").addEventListener("click", () => { [a.value, b.value] = [b.value, a.value]; draw(); });
  draw();
};
