"use strict";
// One stream of changes for each visible page. What has changed is asked for by the parts that show
// it: they listen for events of the body, see hx-trigger in the templates.
(() => {
  const live = document.getElementById("live");
  const message = document.getElementById("message");
  const AGAIN = 1500; // ms until a refused stream is asked for again
  const ALL = ["health", "sky", "alerts", "stamps", "disk", "drift", "quarantine", "notes"];
  let stream = null;
  let timer = 0;
  let wasLost = false;

  function show(state, text) {
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.textContent = text;
  }

  function tell(parts) {
    for (const part of parts) document.body.dispatchEvent(new CustomEvent(`night:${part}`));
  }

  function listen() {
    window.clearTimeout(timer);
    if (stream !== null || document.hidden) return;
    stream = new EventSource("/changes");
    stream.addEventListener("open", () => {
      show("live", "live");
      if (wasLost) tell(ALL); // what happened meanwhile was not told
      wasLost = false;
    });
    stream.addEventListener("change", (event) => tell(JSON.parse(event.data)));
    stream.addEventListener("error", () => {
      show("lost", "connection lost, trying again");
      wasLost = true;
      if (stream !== null && stream.readyState === EventSource.CLOSED) {
        hang();
        timer = window.setTimeout(listen, AGAIN);
      }
    });
  }

  function hang() {
    if (stream !== null) stream.close();
    stream = null;
  }

  // Browsers keep six connections to a host: pages in the background let go of theirs.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hang();
      wasLost = true;
    } else listen();
  });
  window.addEventListener("pagehide", hang);
  window.addEventListener("pageshow", listen);

  let hide = 0;
  function say(text) {
    message.textContent = text;
    message.hidden = false;
    window.clearTimeout(hide);
    hide = window.setTimeout(() => { message.hidden = true; }, 8000);
  }

  document.body.addEventListener("htmx:load", () => document.documentElement.classList.add("ready"));
  document.body.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    const isText = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    say(isText && xhr.responseText ? xhr.responseText : `The server answered ${xhr.status}.`);
  });
  document.body.addEventListener("htmx:sendError", () => show("lost", "connection lost, trying again"));
  const unfolded = new Set();
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    unfolded.clear();
    for (const part of event.detail.target.querySelectorAll("details[open]")) unfolded.add(part.id);
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    for (const part of event.detail.target.querySelectorAll("details")) part.open = unfolded.has(part.id);
    const section = event.detail.target.closest("section[id$='-section']");
    if (section !== null && !event.detail.target.querySelector(":scope > .empty")) section.hidden = false;
  });

  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
  }
  for (const button of document.querySelectorAll("[data-closes]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.closes).close());
  }

  listen();
})();
