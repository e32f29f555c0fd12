// A panel that turns the picture into another one as soon as it changes: translation, reconstruction.

import { showForm } from "/static/curl.js";
import { $, note } from "/static/dom.js";
import * as easel from "/static/easel.js";
import { latest } from "/static/latest.js";
import { blobOf, sourceOf } from "/static/pictures.js";
import { ask } from "/static/server.js";

// `name` begins the ids of the panel's parts; `options` are further fields of the request.
export function transform(name, path, options = () => ({})) {
  let model = null;
  let encoded = null;

  function showResult(found) {
    encoded = found;
    $(`${name}-result`).hidden = !found;
    if (found) $(`${name}-image`).src = sourceOf(found);
  }

  const update = latest(async () => {
    if (easel.isEmpty()) {
      showResult(null);
      note($(`${name}-note`), "");
      return;
    }
    const started = performance.now();
    try {
      const body = { model: model.id, ...options(), image: await easel.picture() };
      const answer = await ask(path, body);
      if (easel.isEmpty()) return;
      showResult(answer.data[0].b64_json);
      note($(`${name}-note`), `${answer.model}, ${Math.round(performance.now() - started)} ms`);
    } catch (error) {
      note($(`${name}-note`), error.message, true);
    }
  });

  function refresh() {
    const fields = Object.entries({ model: model.id, ...options() });
    showForm(`${name}-curl`, path, [...fields, ["file", "@drawing.png"]]);
    return update();
  }

  $(`${name}-take`).addEventListener("click", () => easel.show(blobOf(encoded)));

  return {
    use(entry) {
      model = entry;
      return refresh();
    },
    update,
    refresh,
  };
}
