// What a generator can be asked for besides seeds: a class, where it has classes, and of those
// that draw step by step the steps, the guidance and the sampler.

import { fill, numberOf } from "/static/dom.js";
import { isStepwise } from "/static/models.js";

// How a model draws where nothing else is asked for, as its card has it.
const ownOf = (model) => model.output.sampling ?? {};

// Shows of a form's fields those that mean something to the model, with what its card says in them.
export function offer(form, model) {
  const steps = isStepwise(model);
  const classes = model.labels.length > 0;
  const offered = { label: classes, steps, guidance: steps && classes, sampler: steps };
  for (const field of form.querySelectorAll("[data-asks]")) {
    field.hidden = !offered[field.dataset.asks];
  }
  fill(form.elements.label, [["", "each in turn"], ...model.labels.map((label) => [label, label])]);
  for (const [name, value] of Object.entries(ownOf(model))) {
    const field = form.elements[name];
    // An input that is emptied goes back to its default.
    if (field) field.value = field.defaultValue = value.name ?? value;
  }
}

// The fields of a request that these are; what is hidden or not said is left out.
export function asked(form, model) {
  const { label, num_inference_steps, guidance_scale, sampler } = form.elements;
  const steps = isStepwise(model);
  const own = ownOf(model).sampler;
  return {
    ...(model.labels.length && label.value ? { label: label.value } : {}),
    ...(steps ? { num_inference_steps: numberOf(num_inference_steps) } : {}),
    ...(steps && model.labels.length ? { guidance_scale: numberOf(guidance_scale) } : {}),
    // With its options, which the list does not show, as long as it is not another one.
    ...(steps && sampler ? { sampler: sampler.value === own?.name ? own : sampler.value } : {}),
  };
}
