// The basket, the checkout, and the orders that come of it.

const countBasket = async () => {
  const basket = await server.basket();
  const pieces = basket.items.reduce((sum, item) => sum + item.quantity, 0);
  const badge = document.getElementById("count");
  badge.textContent = String(pieces);
  badge.hidden = pieces === 0;
};

const buy = (event) =>
  attempt(async () => {
    event.target.disabled = true;
    try {
      await server.checkout();
    } finally {
      event.target.disabled = false;
    }
    await countBasket();
    location.hash = "#/orders";
  });

const basketPage = async () => {
  const basket = await server.basket();
  if (!basket.items.length) {
    show(element("h1", {}, "Basket"), element("p", {}, "Nothing in it yet. ", link("#/", "Look around.")));
    return;
  }
  const rows = basket.items.map((item) => [
    link("#/products/" + item.product_id, item.name),
    item.in_stock ? item.quantity + " ×" : element("span", { class: "away" }, "sold out"),
    item.price_cents,
    item.price_cents * item.quantity,
  ]);
  show(
    element("h1", {}, "Basket"),
    table(["Product", "Pieces", "Price", "Sum"], [...rows, ["Total", "", "", basket.total_cents]]),
    element("p", {}, element("button", { onclick: buy }, "Buy")),
  );
};

const orderBox = (order) => [
  element("h2", {}, "Order " + order.id),
  element("p", {}, date(order.placed_at) + ", " + order.status + ", " + money(order.total_cents)),
  table(
    ["Product", "Pieces", "Price"],
    order.items.map((item) => [
      link("#/products/" + item.product_id, item.product_name),
      item.quantity + " ×",
      item.price_cents,
    ]),
  ),
];

const ordersPage = async (parameters) => {
  const number = Number(parameters.page) || 1;
  const found = await server.orders(number);
  show(
    element("h1", {}, "Orders"),
    found.orders.length ? found.orders.flatMap(orderBox) : element("p", {}, "No orders here."),
    pages("#/orders", {}, number, found.orders.length === 10),
  );
};
