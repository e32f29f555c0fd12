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
  let text = found.type || "any";
  if (found.properties) text = `object (${Object.keys(found.properties).join(", ")})`;
  if (found.minimum !== undefined) text += `, from ${found.minimum}`;
  if (found.maximum !== undefined) text += `, to ${found.maximum}`;
  return text;
}

function fields(schema, document) {
  const found = resolve(schema, document);
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
  for (const [type, body] of Object.entries(about.requestBody?.content || {})) {
    panel.append(element("h3", `Body, ${type}`));
    panel.append(table(["Field", "Type", "Meaning"], fields(body.schema, document)));
  }
  const good = about.responses["200"]?.content?.["application/json"]?.schema;
  const rows = fields(good, document);
  if (rows.length) {
    panel.append(element("h3", "Answer"), table(["Field", "Type", "Meaning"], rows));
  }
  const others = Object.entries(about.responses).filter(([status]) => status !== "200");
  if (others.length) {
    panel.append(element("h3", "Errors"));
    panel.append(table(["Status", "Meaning"], others.map(([status, r]) => [status, r.description])));
  }
  return panel;
}

const api = await ask("/openapi.json");
document.getElementById("about").textContent = api.info.description.replaceAll("`", "");
let group = "";
for (const [path, verbs] of Object.entries(api.paths)) {
  for (const [verb, about] of Object.entries(verbs)) {
    const list = document.getElementById("operations");
    if (about.tags?.[0] !== group) {
      group = about.tags[0];
      list.append(element("p", group, "group"));
    }
    list.append(operation(path, verb, about, api));
  }
}
