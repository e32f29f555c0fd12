// The API, drawn from openapi.json without any library.

import { ask } from "/static/server.js";

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text.replaceAll("`", "");
  made.className = className;
  return made;
}

function table(head, rows) {
  const scroll = element("div", "", "scroll");
  const made = element("table");
  const body = element("tbody");
  const line = element("tr");
  // A column that is empty all the way down says nothing.
  const full = head.map((_, index) => rows.some((row) => row[index]));
  const kept = (row, name) => row.filter((_, i) => full[i]).map((text) => element(name, text));
  line.append(...kept(head, "th"));
  body.append(line);
  for (const row of rows) {
    const tr = element("tr");
    tr.append(...kept(row, "td"));
    body.append(tr);
  }
  made.append(body);
  scroll.append(made);
  return scroll;
}

function resolve(schema, document) {
  const name = schema?.$ref?.split("/").pop();
  return name ? document.components.schemas[name] : schema || {};
}

function kind(schema, document) {
  if (schema.anyOf) {
    return schema.anyOf.filter((s) => s.type !== "null").map((s) => kind(s, document)).join(" or ");
  }
  if (schema.type === "array") return `list of ${schema.items ? kind(schema.items, document) : "any"}`;
  const found = resolve(schema, document);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" or ");
  if ("const" in found) return JSON.stringify(found.const);
  let text = found.type || "any";
  if (found.properties) text = `object (${Object.keys(found.properties).join(", ")})`;
  if (found.minimum !== undefined) text += `, from ${found.minimum}`;
  if (found.maximum !== undefined) text += `, to ${found.maximum}`;
  return text;
}

function fields(schema, document) {
  let found = resolve(schema, document);
  if (found.type === "array") found = resolve(found.items, document);
  const required = new Set(found.required || []);
  return Object.entries(found.properties || {}).map(([name, field]) => [
    name,
    kind(field, document) + (required.has(name) ? ", required" : ""),
    field.description || "",
  ]);
}

function operation(path, verb, about, document) {
  const panel = element("section", "", "panel operation");
  const title = element("h2");
  title.append(element("span", verb.toUpperCase(), "verb"), path);
  panel.append(title, element("p", [about.summary, about.description].filter(Boolean).join(". ")));
  const parameters = (about.parameters || []).map((one) => [
    one.name,
    `${kind(one.schema, document)}, in the ${one.in}${one.required ? ", required" : ""}`,
    one.description || "",
  ]);
  if (parameters.length) {
    panel.append(element("h3", "Parameters"), table(["Name", "Type", "Meaning"], parameters));
  }
  for (const [type, body] of Object.entries(about.requestBody?.content || {})) {
    const kinds = body.schema?.oneOf || [body.schema];
    for (const schema of kinds) {
      const name = kinds.length > 1 ? `, ${schema.$ref?.split("/").pop() || schema.title || ""}` : "";
      const rows = fields(schema, document);
      panel.append(element("h3", `Body, ${type}${name}`));
      if (rows.length) panel.append(table(["Field", "Type", "Meaning"], rows));
    }
  }
  const good = Object.entries(about.responses).filter(([status]) => status.startsWith("2"));
  for (const [status, answer] of good) {
    const rows = fields(answer.content?.["application/json"]?.schema, document);
    if (!rows.length) continue;
    panel.append(element("h3", status === "200" ? "Answer" : `Answer, ${status}`));
    panel.append(table(["Field", "Type", "Meaning"], rows));
  }
  const others = Object.entries(about.responses).filter(([status]) => !status.startsWith("2"));
  if (others.length) {
    panel.append(element("h3", "Errors"));
    panel.append(table(["Status", "Meaning"], others.map(([status, r]) => [status, r.description])));
  }
  return panel;
}

function show(api) {
  document.getElementById("about").textContent = api.info.description.replaceAll("`", "");
  const groups = new Map();
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, about] of Object.entries(verbs)) {
      const name = about.tags?.[0] ?? "other";
      if (!groups.has(name)) groups.set(name, element("section"));
      groups.get(name).append(operation(path, verb, about, api));
    }
  }
  for (const [name, group] of groups) group.prepend(element("p", name, "group"));
  document.getElementById("operations").append(...groups.values());
}

try {
  show(await ask("/openapi.json"));
} catch (error) {
  document.getElementById("about").textContent = error.message;
}
