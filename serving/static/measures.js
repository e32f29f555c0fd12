// Measured numbers as people read them.

// What metrics are called whose values are shares; `Metric.is_share` says the same in Python.
const SHARES =
  /^((.+_)?accuracy(_.+)?|(precision|recall|coverage|memorised|nearer_train)(_.+)?|smooth_paths|(.+_)?pairs)$/;

export const whole = (value) => value.toLocaleString("en");

export const nameOf = (metric) => metric.name.replaceAll("_", " ");

export function valueOf({ name, value }) {
  if (SHARES.test(name)) return `${(100 * value).toFixed(2)} %`;
  return Math.abs(value) < 1e6 ? Number(value.toPrecision(4)).toLocaleString("en") : value.toExponential(2);
}
