"use strict";
// As perfgate/units.py: base units scaled, and about three significant digits.
const perfgate = (() => {
  const SHOWN = {
    s: [[" µs", 1e-6], [" ms", 1e-3], [" s", 1]],
    B: [[" B", 1], [" KB", 1e3], [" MB", 1e6], [" GB", 1e9]],
    count: [["", 1]],
    ratio: [[" %", 0.01]],
    "1/s": [["/s", 1]],
  };

  const scaleOf = (value, unit) => {
    let chosen = SHOWN[unit][0];
    for (const pair of SHOWN[unit]) if (Math.abs(value) >= pair[1] * 0.9995) chosen = pair;
    return chosen;
  };

  const digitsOf = (number) => {
    if (Number.isInteger(number) && Math.abs(number) < 1e6) return 0;
    return Math.abs(number) < 100 ? Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number)))) : 0;
  };

  const show = (value, unit) => {
    const [suffix, size] = scaleOf(value, unit);
    const number = Number((value / size).toPrecision(12));
    return `${number.toFixed(Math.min(digitsOf(number), 20))}${suffix}`;
  };

  /** The labels of an axis: one unit for all, and as many digits as tell them apart. */
  const ticks = (values, unit) => {
    const present = values.filter((value) => value !== null);
    const [suffix, size] = scaleOf(Math.max(...present.map(Math.abs), 0), unit);
    const step = present.length > 1 ? Math.abs(present[1] - present[0]) / size : 1;
    let digits = Math.min(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), 12);
    if (Math.abs(Number(step.toFixed(digits)) - step) > step / 100) digits += 1; // steps of 0.025
    return values.map((value) => (value === null ? "" : `${(value / size).toFixed(digits)}${suffix}`));
  };

  const moment = (seconds, whole) => {
    const text = new Date(seconds * 1000).toISOString();
    return whole ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : text.slice(0, 10);
  };

  return { show, ticks, moment };
})();
