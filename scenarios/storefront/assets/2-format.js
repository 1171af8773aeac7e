// Money, dates and stars, as the reader's own language writes them.

const euro = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

const money = (cents) => euro.format(cents / 100);

const date = (moment) => day.format(new Date(moment));

const stars = (count) => "★".repeat(Math.round(count)) + "☆".repeat(5 - Math.round(count));

const many = (count, one, more) => count + " " + (count === 1 ? one : more);
