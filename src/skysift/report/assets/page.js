"use strict";
// The page is complete without this: it adds sorting, enlarging, and a choice of light or dark.
const root = document.documentElement;

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const x = Number(a), y = Number(b);
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numeric = heading.classList.contains("right");
      const now = heading.getAttribute("aria-sort");
      const descending = now ? now === "ascending" : numeric;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort;
      const rows = [...body.rows].sort((p, q) => {
        const order = compare(key(p), key(q));
        const absent = key(p) === "" || key(q) === "";
        return descending && !absent ? -order : order;
      });
      body.append(...rows);
    });
  });
}

function shrink() {
  for (const open of document.querySelectorAll("figure.enlarged")) {
    open.classList.remove("enlarged");
    open.querySelector("button").textContent = "Enlarge";
  }
}
for (const figure of document.querySelectorAll("figure")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.textContent = "Enlarge";
  button.addEventListener("click", () => {
    const isOpen = figure.classList.contains("enlarged");
    shrink();
    if (!isOpen) {
      figure.classList.add("enlarged");
      button.textContent = "Close";
    }
  });
  figure.append(button);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") shrink(); });

const theme = document.querySelector("button.theme");
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.hidden = false;
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); });
prefersDark.addEventListener("change", name);
name();

const links = new Map();
for (const link of document.querySelectorAll(".contents a")) links.set(link.hash.slice(1), link);
const headings = [...document.querySelectorAll("h2[id]")];
function mark() {
  let here = headings[0];
  for (const heading of headings) if (heading.getBoundingClientRect().top < 160) here = heading;
  for (const [id, link] of links) {
    if (here && id === here.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
document.addEventListener("scroll", mark, { passive: true });
mark();

window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
