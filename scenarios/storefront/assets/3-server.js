// Everything the front end says to the service, and the customer it says it for.

const customer = () => {
  const known = Number(localStorage.getItem("customer"));
  if (known) {
    return known;
  }
  const chosen = 1 + Math.floor(Math.random() * 1500);
  localStorage.setItem("customer", String(chosen));
  return chosen;
};

const ask = async (path, options) => {
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) {
    throw new Error(content.error || answer.statusText);
  }
  return content;
};

const send = (path, content) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content || {}),
  });

const query = (parameters) => {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length ? "?" + new URLSearchParams(given) : "";
};

const server = {
  products: (page, category, q) => ask("/products" + query({ page: page, category: category, q: q })),
  product: (id) => ask("/products/" + id),
  basket: () => ask("/basket/" + customer()),
  add: (id, quantity) => send("/basket/" + customer(), { product_id: id, quantity: quantity }),
  checkout: () => send("/checkout/" + customer()),
  orders: (page) => ask("/customers/" + customer() + "/orders" + query({ page: page })),
};
