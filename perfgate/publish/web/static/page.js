"use strict";
{
  const root = document.documentElement;
  const button = document.querySelector("#theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    dispatchEvent(new Event("perfgate-theme"));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("perfgate-theme", root.dataset.theme);
    } catch {
      // Storage is forbidden here: the choice holds for this page.
    }
    label();
  });
  dark.addEventListener("change", label);
  label();
}

{
  const input = document.querySelector("#find");
  if (input) {
    const rows = [...document.querySelectorAll(`#${input.dataset.rows} tbody tr`)];
    const output = input.closest(".find").querySelector("output");
    input.addEventListener("input", () => {
      const terms = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !terms.every((term) => text.includes(term));
        shown += row.hidden ? 0 : 1;
      }
      output.textContent = terms.length > 0 ? `${shown} of ${rows.length}` : "";
    });
  }
}

// A page that lacks its review comes again when that is there, and not before: its reader may be looking around.
{
  const AGAIN_MS = 1000;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { method: "HEAD" });
      if (answer.ok && answer.headers.get("x-pending") === "no") return location.reload();
    } catch {
      // The server is away: it is asked again.
    }
    return setTimeout(look, AGAIN_MS);
  };
  if (document.querySelector("#pending")) setTimeout(look, AGAIN_MS);
}

// New runs are told as they come; the page itself changes only when its reader wants it to.
{
  const news = document.querySelector("#news");
  const LONGEST_WAIT_MS = 60_000;
  let wait = 1000;

  const tell = (run) => {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Show it";
    news.replaceChildren(`There is a new run, of ${run.started.slice(0, 16).replace("T", " ")}. `, link);
    news.hidden = false;
  };

  const listen = () => {
    const address = new URL(document.body.dataset.live, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    socket.addEventListener("open", () => send({ type: "connection_init" }));
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        wait = 1000;
        send({ id: "1", type: "subscribe", payload: { query: "subscription { newRuns { number started } }" } });
      } else if (message.type === "ping") {
        send({ type: "pong" });
      } else if (message.type === "next" && message.payload.data) {
        tell(message.payload.data.newRuns);
      }
    });
    socket.addEventListener("close", () => {
      setTimeout(listen, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    });
  };

  if (news && document.body.dataset.live) addEventListener("load", listen);
}
