// What a generator can be asked for besides seeds: a class, where it has classes, and of those
// that draw step by step the steps, the guidance and the sampler.

import { fill, numberOf } from "/static/dom.js";
import { isStepwise } from "/static/models.js";

// Shows of a form's fields those that mean something to the model.
export function offer(form, model) {
  const steps = isStepwise(model);
  const classes = model.labels.length > 0;
  const offered = { label: classes, steps, guidance: steps && classes, sampler: steps };
  for (const field of form.querySelectorAll("[data-asks]")) {
    field.hidden = !offered[field.dataset.asks];
  }
  fill(form.elements.label, [["", "each in turn"], ...model.labels.map((label) => [label, label])]);
}

// The fields of a request that these are; what is hidden or not said is left out.
export function asked(form, model) {
  const { label, num_inference_steps, guidance_scale, sampler } = form.elements;
  const steps = isStepwise(model);
  return {
    ...(model.labels.length && label.value ? { label: label.value } : {}),
    ...(steps ? { num_inference_steps: numberOf(num_inference_steps) } : {}),
    ...(steps && model.labels.length ? { guidance_scale: numberOf(guidance_scale) } : {}),
    ...(steps && sampler ? { sampler: sampler.value } : {}),
  };
}
