// Building pages: elements out of plain calls, so that no text from the server is ever read as HTML.

const element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

const show = (...children) => {
  document.getElementById("main").replaceChildren(...children.flat().filter(Boolean));
  window.scrollTo(0, 0);
};

const link = (href, text, attributes) => element("a", { href: href, ...attributes }, text);

const table = (headings, rows) =>
  element(
    "table",
    {},
    element("thead", {}, element("tr", {}, headings.map((heading) => element("th", classOf(heading), heading)))),
    element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map(cell)))),
  );

const classOf = (heading) => (heading === "Price" || heading === "Sum" ? { class: "price" } : {});

const cell = (content) =>
  typeof content === "number" ? element("td", { class: "price" }, money(content)) : element("td", {}, content);
