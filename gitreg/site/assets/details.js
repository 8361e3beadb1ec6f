"use strict";
// Loads the details of versions, and shows the values of both pages that use them.
gitreg.parts = {};
gitreg.versions = (part, record) => { gitreg.parts[part] = record; };
gitreg.detail = async (data, number) => {
  if (!data.versions.some((one) => one[0] === number)) return null;
  const part = Math.floor(number / data.part);
  await gitreg.load(`versions-${part}.js`);
  const record = gitreg.parts[part];
  const found = record.versions[number];
  const place = found.environment?.[2];
  return { ...found, number, packages: place === null || place === undefined ? {} : record.packages[place] };
};
gitreg.chips = (data, number) => {
  const { el } = gitreg;
  const one = data.versions.find((version) => version[0] === number);
  if (!one) return [];
  const stage = one[2] ? [el("span", { class: `chip stage${one[2] === data.main ? " main" : one[2] === "archived" ? " archived" : ""}` }, one[2])] : [];
  return [...stage, ...one[3].map((alias) => el("span", { class: "chip alias" }, `@${alias}`))].flatMap((chip) => [chip, " "]);
};
gitreg.change = (was, is) => {
  if (typeof was !== "number" || typeof is !== "number") return "";
  const by = is - was;
  return by === 0 ? "same" : `${by > 0 ? "+" : "−"}${gitreg.number(Math.abs(by))}`;
};
