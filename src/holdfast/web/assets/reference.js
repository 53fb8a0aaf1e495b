"use strict";

const search = document.getElementById("search");
const theme = document.getElementById("theme");
const nothing = document.getElementById("nothing");
const operations = Array.from(document.querySelectorAll("details.operation"), (element) => ({
  element,
  text: element.textContent.toLowerCase(),
}));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { element, text } of operations) {
    const matches = words.every((word) => text.includes(word));
    element.hidden = !matches;
    shown += matches ? 1 : 0;
  }
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = words.length > 0 && !section.querySelector("details:not([hidden])");
  }
  nothing.hidden = shown > 0;
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function choose(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
  }
}

const stored = localStorage.getItem("theme");
if (stored === "light" || stored === "dark") {
  choose(stored);
}
search.hidden = false;
theme.hidden = false;
search.addEventListener("input", filter);
theme.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
addEventListener("hashchange", openTarget);
openTarget();
