"use strict";
// The page of a version, from the model's data. Elements are made, and their text is set: nothing is markup.
gitreg.model = async (data) => {
  const { el, own, bdi, number, when, person, commit, size, table } = gitreg;
  const place = document.getElementById("version");
  const wanted = Number(gitreg.asked.get("v") ?? data.versions.at(-1)?.[0]);
  document.getElementById("crumb").textContent = `version ${Number.isFinite(wanted) ? wanted : "?"}`;
  document.title = `${data.name}@${wanted} · ${document.title.split(" · ").slice(1).join(" · ")}`;
  const head = el("h1", {}, bdi(data.name), "@", wanted);
  const found = await gitreg.detail(data, wanted);
  if (!found) {
    const gone = data.deleted[wanted];
    place.replaceChildren(head, el("p", { class: "empty" }, gone
      ? ["Deleted by ", person(gone[1]), " on ", when(gone[0]), gone[2] ? [": ", el("q", {}, bdi(gone[2]))] : ""]
      : "There is no such version, or its manifest does not parse."));
    return;
  }
  const beside = data.beside[wanted] ? await gitreg.detail(data, data.beside[wanted]) : null;
  const link = (version) => el("a", { href: `version.html?v=${version}` }, `@${version}`);
  const section = (title, ...inside) => {
    const kept = inside.flat().filter(Boolean);
    const id = `s-${title.toLowerCase().replace(/\W+/g, "-")}`;
    return kept.length ? el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), kept) : null;
  };
  const pairs = (rows) => {
    const kept = rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && !value.length));
    return kept.length ? el("dl", { class: "pairs" }, kept.flatMap(([key, value]) => [el("dt", {}, bdi(key)), el("dd", {}, value instanceof Node || Array.isArray(value) ? value : bdi(value))])) : null;
  };
  const numbers = data.versions.map((one) => one[0]);
  const at = numbers.indexOf(wanted);
  const lineage = found.lineage ?? {};
  const code = lineage.code;
  const stood = data.stood.filter((one) => one[0] === wanted);
  const where = (pointer) => pointer.startsWith("aliases/") ? `@${pointer.slice(8)}` : pointer.slice(7);

  const lead = el("div", { class: "lead" }, head,
    found.description ? el("p", { class: "said" }, bdi(found.description)) : null,
    el("p", { class: "facts" }, gitreg.chips(data, wanted), "registered ", when(found.at), " by ", person(found.by), found.commit ? [", commit ", commit(found.commit, data.commits)] : "",
      Object.entries(found.tags ?? {}).map(([key, value]) => [" ", el("span", { class: "tag" }, bdi(`${key}: ${value}`))])),
    el("p", { class: "facts steps" }, at > 0 ? [el("a", { href: `version.html?v=${numbers[at - 1]}` }, `← ${numbers[at - 1]}`), "  "] : "",
      at < numbers.length - 1 ? [el("a", { href: `version.html?v=${numbers[at + 1]}` }, `${numbers[at + 1]} →`), "  "] : "",
      data.beside[wanted] ? el("a", { href: `compare.html?a=${data.beside[wanted]}&b=${wanted}` }, `Compare with @${data.beside[wanted]}`) : ""));

  const codeLink = code ? (code[4] ? el("a", { href: code[4], rel: "noopener noreferrer" }, code[0].slice(0, 9)) : commit(code[0], code[1] ? "" : data.commits)) : null;
  const flow = el("ol", { class: "flow" },
    el("li", {}, el("div", {}, el("h3", {}, "Data"), el("ul", {}, (lineage.data ?? []).length ? lineage.data.map(([path, state, bytes]) => el("li", {}, bdi(path), " ", el("small", {}, bdi((state ?? "without a hash").slice(0, 12)), bytes ? `, ${size(bytes)}` : ""))) : el("li", {}, el("small", {}, "not recorded"))),
      el("h3", {}, "Code"), code ? el("div", {}, codeLink, code[2] ? el("small", {}, bdi(` with ${code[2]}`)) : "", code[1] ? el("div", {}, el("small", {}, bdi(code[1]))) : "") : el("small", {}, "not recorded"))),
    el("li", {}, el("div", { class: "this" }, el("h3", {}, "Version"), el("strong", {}, bdi(data.name), `@${wanted}`), el("div", {}, el("small", {}, `${size(found.artifact[1])} in ${found.artifact[2]} file${found.artifact[2] === 1 ? "" : "s"}`)), lineage.command ? el("code", {}, bdi(lineage.command)) : "")),
    el("li", {}, el("div", {}, el("h3", {}, "Where it stood"), el("ul", {}, stood.length ? stood.slice(-6).map((one) => el("li", {}, el("b", {}, bdi(where(one[1]))), " ", el("small", {}, `${(one[2] ?? "").slice(0, 10)} – ${one[3] ? one[3].slice(0, 10) : "now"}`))) : el("li", {}, el("small", {}, "nowhere yet"))))));

  const metrics = Object.keys({ ...found.metrics, ...beside?.metrics });
  const metricTable = metrics.length ? table(["Metric", `@${wanted}`, ...(beside ? [`beside @${beside.number}`, "Difference"] : [])],
    metrics.map((name) => [bdi(name), number(own(found.metrics, name)), ...(beside ? [number(own(beside.metrics, name)), gitreg.change(own(beside.metrics, name), own(found.metrics, name))] : [])]), "Metrics") : null;

  const evaluation = (one) => {
    const names = [...new Set([...Object.keys(one.metrics ?? {}), ...(one.slices ?? []).flatMap((part) => Object.keys(part[2]))])];
    const rows = names.map((name) => [bdi(name), number(own(one.metrics, name)), own(one.intervals, name) ? own(one.intervals, name).map(number).join(" to ") : ""]);
    return [el("h3", {}, bdi(one.name)), el("p", { class: "facts" }, "on ", bdi(one.data), ", ", when(one.at), " by ", person(one.by)),
      table(["Metric", "Value", "Interval"], rows, `Evaluation ${one.name}`),
      (one.slices ?? []).length ? [names.slice(0, 4).map((name) => dots(one, name)),
        el("details", {}, el("summary", {}, "Slices as a table"), table(["Slice", "Rows", ...names], one.slices.map(([part, rowsOf, values]) => [bdi(part), number(rowsOf), ...names.map((name) => number(own(values, name)))]), `Slices of ${one.name}`))] : null];
  };
  /** A plot of slices: one line a slice, the whole of the data dashed. */
  const dots = (one, name) => {
    const parts = one.slices.filter((part) => typeof own(part[2], name) === "number").slice(0, 40);
    if (!parts.length) return null;
    const all = own(one.metrics, name);
    const bounds = own(one.intervals, name) ?? [];
    const values = [...parts.map((part) => part[2][name]), ...(typeof all === "number" ? [all] : []), ...bounds];
    const low = Math.min(...values); const high = Math.max(...values);
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    const x = (value) => 210 + ((value - low + room) / (high - low + 2 * room)) * 400;
    const height = 34 + parts.length * 24;
    const short = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text);
    const drawn = el("svg:svg", { class: "dotplot", viewBox: `0 0 680 ${height}`, role: "img", "aria-label": `${name} by slice; the table below has the values` },
      el("svg:text", { class: "axis", x: 210, y: 14 }, `${name} by slice`),
      bounds.length ? el("svg:line", { class: "span", x1: x(bounds[0]), x2: x(bounds[1]), y1: 22, y2: 22 }) : null,
      typeof all === "number" ? el("svg:line", { class: "all", x1: x(all), x2: x(all), y1: 20, y2: height - 6 }) : null,
      parts.map(([part, , measured], index) => {
        const y = 38 + index * 24;
        return [el("svg:line", { x1: 210, x2: 610, y1: y, y2: y }), el("svg:text", { x: 0, y: y + 4 }, short(part)),
          el("svg:circle", { cx: x(measured[name]), cy: y, r: 5 }), el("svg:text", { x: 620, y: y + 4 }, number(measured[name]))];
      }));
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name} of ${one.name} by slice` }, drawn);
  };

  const environment = found.environment ?? [];
  const packages = Object.entries(found.packages ?? {});
  const signature = found.signature ?? {};
  const events = data.events.filter((one) => one[5] === wanted || one[7].includes(wanted) !== one[8].includes(wanted));
  const run = lineage.run;
  const incumbentOf = beside ? [`Beside `, link(beside.number), beside.number === wanted ? "" : ", the incumbent of its time."] : null;

  place.replaceChildren(...[
    lead,
    section("Lineage", flow, el("div", {}, pairs([["source", lineage.source], ["run", run ? [bdi(run[0] ?? ""), run[2] ? [" ", el("a", { href: run[2], rel: "noopener noreferrer" }, "its page")] : "", run[1] ? [" at ", bdi(run[1])] : ""] : null], ["logged model", lineage.logged_model], ["tag", lineage.tag], ["changed files", (code?.[3] ?? []).join(", ")]]) ?? "")),
    el("div", { class: "columns" },
      section("Metrics", incumbentOf && metricTable ? el("p", { class: "facts" }, incumbentOf) : null, metricTable ?? el("p", { class: "empty" }, "None was recorded at registration.")),
      section("Parameters", pairs(Object.entries(found.params ?? {}).map(([key, value]) => [key, String(value)])) ?? el("p", { class: "empty" }, "None was recorded."))),
    section("Evaluations", (found.evaluations ?? []).length ? found.evaluations.flatMap(evaluation).flat(3) : el("p", { class: "empty" }, "It was not evaluated on named data.")),
    el("div", { class: "columns" },
      section("Files", pairs([["path", found.artifact[0]], ["size", `${size(found.artifact[1])} (${found.artifact[1].toLocaleString("en")} bytes)`], ["files", String(found.artifact[2])], ["SHA-256", el("code", {}, found.artifact[3])], ["DVC object", found.artifact[4] ? el("code", {}, found.artifact[4]) : null]])),
      section("Environment", pairs([["Python", environment[0]], ["platform", environment[1]]]), packages.length ? el("details", {}, el("summary", {}, `${packages.length} package${packages.length === 1 ? "" : "s"}`), pairs(packages)) : el("p", { class: "empty" }, "No frozen packages."))),
    Object.keys(signature).some((key) => signature[key]) ? section("Signature", pairs(["inputs", "outputs", "params"].map((key) => [key, signature[key] ? el("code", {}, bdi(signature[key])) : null]))) : null,
    el("div", { class: "columns" },
      section("Approvals", (found.approvals ?? []).length ? table(["For", "By", "Counts now", "Key"], found.approvals.map(([stage, who, counts, key, why]) => [bdi(stage), bdi(who), counts === null ? "not checked here" : counts ? el("b", { class: "word good" }, "yes") : [el("b", { class: "word bad" }, "no"), " ", bdi(why)], el("code", {}, bdi(key))]), "Approvals") : el("p", { class: "empty" }, "There is none.")),
      section("Reproductions", (found.remade ?? []).length ? found.remade.map(([verdict, signer, facts]) => el("details", {}, el("summary", {}, el("b", { class: `word ${verdict === "different" ? "bad" : "good"}` }, verdict), signer ? [" signed by ", bdi(signer)] : " without a signature that counts"), pairs(Object.entries(facts).map(([key, value]) => [key, String(value)])))) : el("p", { class: "empty" }, "Nobody has made it again."))),
    section("Where it stood", stood.length ? table(["Where", "From", "To", "How", "By", "Why", "Commit"], stood.toReversed().map((one) => [bdi(where(one[1])), when(one[2]), one[3] ? [when(one[3]), " ", el("small", {}, one[7] ?? "")] : "now", [one[6] ?? "", one[9] !== null && one[9] !== undefined ? el("b", { class: "word override" }, " override") : ""], one[4] ? person(one[4]) : "", bdi(one[5] ?? ""), commit(one[8], data.commits)]), "Where it stood") : el("p", { class: "empty" }, "Nowhere yet.")),
    section("History", table(["Time (UTC)", "Who", "What", "Pointer", "Why", "Commit"], events.map((one) => [when(one[1]), person(one[2]), one[4], bdi(one[6] ? one[6].replace(/^stages\//, "").replace(/^aliases\//, "@") : ""), bdi(one[9] || one[10]), commit(one[0], data.commits)]), "History")),
    section("Use it", el("div", { class: "command" }, el("pre", { tabindex: 0 }, el("code", {}, `gitreg pull '${data.name.replaceAll("'", "'\\''")}@${wanted}'`)), el("button", { type: "button", class: "copy", "aria-label": "Copy the command" }, "Copy"))),
  ].filter(Boolean));
};
