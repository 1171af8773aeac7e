// The list of products, and the page of one.

const CATEGORIES = [
  "chairs", "tables", "beds", "lamps", "shelves", "carpets", "kitchen", "bath",
  "garden", "office", "toys", "bags", "clocks", "frames", "candles",
];

const categoryLinks = (current) =>
  element(
    "p",
    { class: "tags" },
    CATEGORIES.map((slug) =>
      link("#/" + query({ category: slug }), slug, { "aria-current": slug === current ? "page" : null }),
    ),
  );

const card = (product) =>
  element(
    "li",
    { class: "card" },
    link("#/products/" + product.id, product.name),
    element("span", { class: "price" }, money(product.price_cents)),
    product.in_stock ? element("small", {}, product.category) : element("small", { class: "away" }, "sold out"),
  );

const pages = (address, parameters, number, more) =>
  element(
    "p",
    { class: "pages" },
    number > 1 ? link(address + query({ ...parameters, page: number - 1 }), "Previous") : element("span"),
    more ? link(address + query({ ...parameters, page: number + 1 }), "Next") : null,
  );

const listPage = async (parameters) => {
  const number = Number(parameters.page) || 1;
  const found = await server.products(number, parameters.category, parameters.q);
  show(
    categoryLinks(parameters.category),
    parameters.q && element("h1", {}, "“" + parameters.q + "”"),
    found.products.length
      ? element("ul", { class: "cards" }, found.products.map(card))
      : element("p", {}, "Nothing found. Fewer words find more."),
    pages("#/", parameters, number, found.more),
  );
};

const review = (written) =>
  element(
    "li",
    {},
    element("span", { title: many(written.stars, "star", "stars") }, stars(written.stars)),
    " " + written.body + " ",
    element("small", {}, written.written_by + ", " + date(written.written_at)),
  );

const buyForm = (product) => {
  const quantity = element("input", { type: "number", min: 1, max: 99, value: 1, "aria-label": "Quantity" });
  const add = async (event) => {
    event.preventDefault();
    await attempt(async () => {
      await server.add(product.id, Number(quantity.value));
      await countBasket();
      location.hash = "#/basket";
    });
  };
  return element("form", { onsubmit: add }, quantity, " ", element("button", {}, "Add to basket"));
};

const productPage = async (parameters, id) => {
  const product = await server.product(id);
  show(
    categoryLinks(product.category),
    element("h1", {}, product.name),
    element("p", {}, product.description),
    element("p", { class: "price" }, money(product.price_cents)),
    product.in_stock > 0 ? buyForm(product) : element("p", { class: "away" }, "Sold out"),
    element("h2", {}, many(product.reviewed, "review", "reviews")),
    product.stars && element("p", {}, stars(product.stars) + " " + product.stars),
    element("ul", {}, product.reviews.map(review)),
  );
};
