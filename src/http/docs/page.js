"use strict";
// Shows /openapi.json and tries its operations. Whatever comes from the network is put in as text, never as HTML.
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (name, text, children = []) => {
    const element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = text;
    for (const child of children) element.append(child);
    return element;
  };
  // Text of the description, where backquotes set code apart; one without its pair stays as it is.
  const prose = (name, text) => make(name, null, text.split(/(`[^`]+`)/).map((piece) =>
    piece.length > 2 && piece.startsWith("`") && piece.endsWith("`") ? make("code", piece.slice(1, -1)) : piece));
  let description = { components: { schemas: {} } };
  const resolve = (schema) => {
    if (!schema || !schema.$ref) return schema || {};
    return description.components.schemas[schema.$ref.split("/").pop()] || {};
  };
  const nameOf = (schema) => {
    if (schema === true || !schema || Object.keys(schema).length === 0) return "anything";
    if (schema.$ref) return schema.$ref.split("/").pop();
    if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    for (const word of ["anyOf", "oneOf", "allOf"]) {
      if (schema[word]) return schema[word].map(nameOf).join(word === "allOf" ? " & " : " | ");
    }
    if (schema.type === "array") return "list of " + nameOf(schema.items);
    const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "object";
    return schema.format ? type + " (" + schema.format + ")" : type;
  };
  // An example of what is sent: required fields, and nothing deeper than three steps.
  const example = (schema, depth = 0) => {
    const whole = resolve(schema);
    if (whole.default !== undefined) return whole.default;
    if (whole.enum) return whole.enum[0];
    if (whole.anyOf || whole.oneOf) return example((whole.anyOf || whole.oneOf)[0], depth);
    const type = Array.isArray(whole.type) ? whole.type[0] : whole.type;
    if (type === "object") {
      const made = {};
      if (depth < 3) {
        for (const field of whole.required || []) made[field] = example((whole.properties || {})[field], depth + 1);
      }
      return made;
    }
    if (type === "array") return [];
    if (type === "integer" || type === "number") return 0;
    if (type === "boolean") return false;
    return whole.format === "date-time" ? new Date().toISOString() : "";
  };
  const fields = (schema) => {
    const whole = resolve(schema);
    const rows = Object.entries(whole.properties || {}).map(([name, field]) =>
      make("tr", null, [
        make("td", null, [make("code", name), (whole.required || []).includes(name) ? "" : make("span", " optional", [])]),
        make("td", nameOf(field)),
        prose("td", field.description || resolve(field).description || ""),
      ]));
    return rows.length ? make("table", null, rows) : make("p", nameOf(schema));
  };
  const tryIt = async (method, path, inputs, body, out) => {
    const query = new URLSearchParams();
    const headers = {};
    let url = path;
    for (const { parameter, input } of inputs) {
      if (input.value === "") continue;
      if (parameter.in === "path") url = url.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
      else if (parameter.in === "query") query.set(parameter.name, input.value);
      else headers[parameter.name] = input.value;
    }
    if (byId("token").value) headers.Authorization = "Bearer " + byId("token").value.trim();
    const options = { method, headers, credentials: "omit", redirect: "manual", cache: "no-store" };
    if (body && body.value.trim() !== "") {
      headers["Content-Type"] = "application/json";
      options.body = body.value;
    }
    const asked = query.toString() ? url + "?" + query : url;
    out.textContent = method + " " + asked + "\n…";
    try {
      const answer = await fetch(asked, options);
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON: shown as it is */ }
      out.textContent = method + " " + asked + "\n" + answer.status + "\n\n" + shown.slice(0, 200000);
    } catch (error) {
      out.textContent = method + " " + asked + "\n" + error;
    }
  };
  const fill = (details, method, path, operation) => {
    details.append(prose("p", operation.description || "Needs no token."));
    const inputs = (operation.parameters || []).map((parameter) => ({ parameter, input: make("input") }));
    if (inputs.length) {
      details.append(make("table", null, inputs.map(({ parameter, input }) => make("tr", null, [
        make("td", null, [make("code", parameter.name)]),
        make("td", parameter.in),
        make("td", null, [input]),
        prose("td", (parameter.description || "") + " — " + nameOf(parameter.schema)),
      ]))));
    }
    let body = null;
    const content = operation.requestBody && operation.requestBody.content["application/json"];
    if (content) {
      body = make("textarea");
      body.spellcheck = false;
      body.value = JSON.stringify(example(content.schema), null, 2);
      details.append(make("h3", "Body"), fields(content.schema), body);
    }
    const button = make("button", "Try it");
    const out = make("pre");
    out.hidden = true;
    button.type = "button";
    button.addEventListener("click", () => {
      out.hidden = false;
      tryIt(method, path, inputs, body, out);
    });
    details.append(make("p", null, [button]), out, make("h3", "Answers"));
    for (const [status, answer] of Object.entries(operation.responses)) {
      const [media, shape] = Object.entries(answer.content || {})[0] || ["", {}];
      if (media === "application/json" && shape.schema) {
        details.append(make("p", status + " " + answer.description + ": " + nameOf(shape.schema)), fields(shape.schema));
      } else {
        const codes = ((((shape.schema || {}).allOf || [])[1] || {}).properties || {}).code;
        details.append(make("p", status + " " + answer.description + (codes ? ": " + codes.enum.join(", ") : " " + media)));
      }
    }
  };
  const show = () => {
    const wanted = byId("find").value.toLowerCase();
    const main = byId("operations");
    main.replaceChildren();
    const groups = new Map();
    for (const [path, methods] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const words = (method + " " + path + " " + operation.summary).toLowerCase();
        if (!words.includes(wanted)) continue;
        const details = make("details", null, [make("summary", null, [
          make("span", method.toUpperCase()), make("code", path), operation.summary,
        ])]);
        details.querySelector("span").className = "method";
        // Filled when it is opened: there are many.
        details.addEventListener("toggle", () => fill(details, method.toUpperCase(), path, operation), { once: true });
        const tag = operation.tags[0];
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push(details);
      }
    }
    for (const [tag, all] of groups) main.append(make("h2", tag), ...all);
    if (!groups.size) main.append(make("p", "Nothing has these words."));
  };
  fetch("/openapi.json", { credentials: "omit" })
    .then((answer) => answer.json())
    .then((read) => {
      description = read;
      byId("about").replaceChildren(prose("span", read.info.description));
      byId("find").addEventListener("input", show);
      show();
    })
    .catch((error) => byId("operations").replaceChildren(make("p", "The description can't be read: " + error)));
})();
