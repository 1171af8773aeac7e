// Which address shows which page, and what happens when the server says no.

const PAGES = [
  [/^\/$/, listPage],
  [/^\/products\/(\d+)$/, productPage],
  [/^\/basket$/, basketPage],
  [/^\/orders$/, ordersPage],
];

const attempt = async (action) => {
  try {
    await action();
  } catch (error) {
    show(element("p", { class: "error", role: "alert" }, "That did not work: " + error.message + "."));
  }
};

const open = () =>
  attempt(async () => {
    const [path, parameters] = (location.hash.slice(1) || "/").split("?");
    for (const [pattern, page] of PAGES) {
      const match = pattern.exec(path);
      if (match) {
        await page(Object.fromEntries(new URLSearchParams(parameters || "")), ...match.slice(1));
        return;
      }
    }
    show(element("p", {}, "There is no such page. ", link("#/", "Back to the shop.")));
  });

const search = (event) => {
  event.preventDefault();
  location.hash = "#/" + query({ q: new FormData(event.target).get("q") });
};

document.getElementById("search").addEventListener("submit", search);
window.addEventListener("hashchange", open);
countBasket().catch(() => {});
open();
