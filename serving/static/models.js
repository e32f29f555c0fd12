// What the page reads off an entry of /v1/models.

export const can = (model, ability) => model.abilities.includes(ability);

// Whether its images come step by step, so that one can watch them and wait for them.
export const isStepwise = (model) => can(model, "edit");

export const sizeOf = (model) => ({ height: model.output.shape[0], width: model.output.shape[1] });

export const addressOf = (model) => `/v1/models/${encodeURIComponent(model.id)}`;

// Names are architecture.dataset-method.
const dataOf = ({ id }) => id.split(".")[1]?.split(/[-@]/)[0];

// Whether the one draws what the other knows: images of one data set and of one size.
export function fits(generator, classifier) {
  const sizes = [generator.output.shape, classifier.input.shape].map(String);
  return sizes[0] === sizes[1] && dataOf(generator) === dataOf(classifier);
}

export function accuracy(model) {
  return model.metrics.find((metric) => metric.name === "accuracy")?.value ?? 0;
}
