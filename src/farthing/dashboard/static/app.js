/* The dashboard: the window and filters live in the address, panels are fetched by name and drawn in their order, again every ten seconds. */
import { made, render } from "./blocks.js";

const REFRESH_MS = 10_000;
const DATA = "/dashboard/data/";
const FILTERS = ["range", "since", "until", "endpoint", "tenant", "tier"];
const SHORT = { account: "Account", quality: "Quality", cost: "Cost", money: "Money", speed: "Latency", split: "Time", errors: "Errors", notable: "Requests" };
const by = (id) => document.getElementById(id);
const root = document.documentElement;
const form = by("filters");
const shown = new Map(); // name of a panel -> {section, text, parts}
let outline = null;
let round = 0;

/* Address. */

const asked = () => new URLSearchParams(location.search);

function query(extra = {}) {
  const found = new URLSearchParams();
  for (const name of FILTERS) if (asked().get(name)) found.set(name, asked().get(name));
  for (const [name, value] of Object.entries(extra)) found.set(name, value);
  return found.toString();
}

function go(parameters, { replace = false } = {}) {
  const text = parameters.toString();
  history[replace ? "replaceState" : "pushState"](null, "", text ? `/dashboard?${text}` : "/dashboard");
  return load();
}

const linked = (link) => {
  const extra = Object.fromEntries(new URLSearchParams(link.replace(/^\?/, "")));
  return `/dashboard?${query(extra)}`;
};

/* Fetching. */

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" }, credentials: "same-origin" });
  if (answer.ok) return answer.text();
  const told = await answer.json().catch(() => null);
  throw new Refused(answer.status, told?.error?.message ?? `The gateway answered ${answer.status}.`);
}

async function load() {
  const mine = ++round;
  try {
    const { role } = JSON.parse(await get("/dashboard/session"));
    if (mine !== round) return;
    if (role === null) {
      openDoor(true);
      return;
    }
    const text = await get(`${DATA}outline?${query()}`);
    if (mine !== round) return;
    outline = JSON.parse(text);
    openDoor(false);
    showFilters();
    if (asked().get("request")) await showRequest(mine);
    else await showPanels(mine);
  } catch (error) {
    if (mine === round) complain(error);
  }
}

function complain(error) {
  if (error.status === 401) {
    openDoor(true);
    return;
  }
  by("top").hidden = false;
  say(error.status ? error.message : "The gateway cannot be reached. Trying again.", true);
  for (const { section } of shown.values()) section.classList.remove("stale");
}

function say(text, bad = false) {
  by("status").textContent = text;
  by("status").classList.toggle("bad", bad);
}

/* Panels. */

async function showPanels(mine) {
  document.title = "Farthing";
  dropOthers(new Set(outline.panels));
  const failures = [];
  const one = async (name) => {
    try {
      const text = await get(`${DATA}${name}?${query()}`);
      if (mine === round) place(name, text);
    } catch (error) {
      if (error.status === 401) throw error;
      failures.push(error);
    }
  };
  await Promise.all(outline.panels.map(one));
  if (mine !== round) return;
  jumpLinks();
  if (failures.length) complain(failures[0]);
  else say(freshness());
}

async function showRequest(mine) {
  const id = asked().get("request");
  const text = await get(`${DATA}request?${new URLSearchParams({ id })}`);
  if (mine !== round) return;
  dropOthers(new Set(["request"]));
  place("request", text);
  document.title = `${id} · Farthing`;
  by("jump").replaceChildren();
  say("");
}

function dropOthers(kept) {
  for (const [name, { section, parts }] of shown) {
    if (kept.has(name)) continue;
    parts.forEach((part) => part.stop());
    section.remove();
    shown.delete(name);
  }
}

function place(name, text) {
  const before = shown.get(name);
  before?.section.classList.remove("stale");
  if (before?.text === text) return;
  const panel = JSON.parse(text);
  if (before && before.kinds === kinds(panel)) {
    refill(before, panel);
    before.text = text;
    return;
  }
  before?.parts.forEach((part) => part.stop());
  before?.section.remove();
  shown.delete(name);
  if (panel.blocks.length) insert(name, panel, text);
}

const kinds = (panel) => panel.blocks.map((block) => block.type).join();

function insert(name, panel, text) {
  const section = made("section", "panel card");
  section.dataset.panel = name;
  section.id = name;
  section.setAttribute("aria-labelledby", `${name}-title`);
  const body = made("div", "panel-body");
  const parts = panel.blocks.map((block) => render(block, linked));
  body.append(...parts.map((part) => part.element));
  section.append(head(name, panel), body);
  if (name === "request") section.prepend(back());
  const order = outline.panels.indexOf(name);
  const next = [...by("panels").children].find((each) => outline.panels.indexOf(each.dataset.panel) > order);
  by("panels").insertBefore(section, next ?? null);
  parts.forEach((part) => part.start());
  shown.set(name, { section, text, parts, kinds: kinds(panel) });
}

/* New figures in the old places, so that what has the focus keeps it. */
function refill(before, panel) {
  const focused = document.activeElement?.getAttribute?.("href");
  fillHead(before.section.querySelector(".panel-head"), before.section.dataset.panel, panel);
  panel.blocks.forEach((block, at) => {
    const part = before.parts[at];
    if (part.update) {
      part.update(block);
      return;
    }
    const fresh = render(block, linked);
    if (part.element.open) fresh.element.open = true;
    part.element.replaceWith(fresh.element);
    before.parts[at] = fresh;
    fresh.start();
  });
  if (focused) before.section.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

function head(name, panel) {
  const box = made("header", "panel-head");
  const title = made("h2");
  title.id = `${name}-title`;
  const links = made("span", "links");
  links.append(made("a", "", "CSV"), made("a", "", "JSON"));
  box.append(title, made("p"), links);
  fillHead(box, name, panel);
  return box;
}

function fillHead(box, name, panel) {
  const single = name === "request";
  box.querySelector("h2").textContent = panel.title;
  box.querySelector("p").textContent = panel.lead;
  for (const link of box.querySelectorAll(".links a")) {
    const format = link.textContent.toLowerCase();
    link.href = `${DATA}${name}?${single ? new URLSearchParams({ id: panel.title, format }) : query({ format })}`;
    link.setAttribute("aria-label", `${panel.title} as ${link.textContent}`);
    link.setAttribute("download", `${single ? panel.title : name}.${format}`);
  }
}

function back() {
  const link = made("a", "back", "\u2190 All requests");
  link.href = `/dashboard?${query()}`;
  link.dataset.inside = "";
  return link;
}

function jumpLinks() {
  const links = [...by("panels").children].map((section) => {
    const link = made("a", "", SHORT[section.id] ?? section.querySelector("h2").textContent);
    link.href = `#${section.id}`;
    return link;
  });
  by("jump").replaceChildren(...links);
  markCurrent();
}

function markCurrent() {
  const line = by("top").offsetHeight + 40;
  let current = null;
  for (const section of by("panels").children) if (section.getBoundingClientRect().top <= line) current = section.id;
  for (const link of by("jump").children) {
    if (link.getAttribute("href") === `#${current}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function freshness() {
  const { since, until, level_s: level } = outline.window;
  const { moment } = globalThis.farthingCharts;
  const whole = { 60: "minutes", 3600: "hours", 86400: "days" }[level];
  const window = `${moment(since)} to ${moment(Math.min(until, outline.now))}, in whole ${whole}`;
  return outline.behind > 1000 ? `${window}. ${outline.behind.toLocaleString("en-US")} requests are not counted yet.` : window;
}

/* Filters. */

function showFilters() {
  const now = asked();
  for (const name of ["endpoint", "tenant", "tier"]) {
    const select = form.elements[name];
    const first = select.options[0];
    const values = outline.choices[name];
    const chosen = now.get(name) ?? "";
    const options = [...new Set([...values, ...(chosen ? [chosen] : [])])].map((value) => new Option(value, value));
    if (options.map((option) => option.value).join("\n") !== [...select.options].slice(1).map((option) => option.value).join("\n")) {
      select.replaceChildren(first, ...options);
    }
    select.value = chosen;
    select.classList.toggle("set", chosen !== "");
    select.parentElement.hidden = options.length < 2 && !chosen;
  }
  const custom = now.has("since");
  form.elements.range.value = custom ? "custom" : (now.get("range") ?? "7d");
  if (custom) {
    form.elements.since.value = local(outline.window.since);
    form.elements.until.value = now.has("until") ? local(outline.window.until) : "";
  }
  form.querySelector(".custom").hidden = !custom;
  by("top").hidden = false;
}

const local = (unix_s) => new Date(unix_s * 1000).toISOString().slice(0, 16);

form.addEventListener("change", ({ target }) => {
  const parameters = asked();
  parameters.delete("request");
  if (target.name === "range" && target.value === "custom") {
    form.querySelector(".custom").hidden = false;
    form.elements.since.value = local(outline.window.since);
    form.elements.since.focus();
    return;
  }
  if (target.name === "range") ["since", "until"].forEach((name) => parameters.delete(name));
  if (target.name === "since" || target.name === "until") parameters.delete("range");
  if (target.value) parameters.set(target.name, target.value);
  else parameters.delete(target.name);
  for (const { section } of shown.values()) section.classList.add("stale");
  go(parameters);
});
form.addEventListener("submit", (event) => event.preventDefault());

/* Links within, back and forward. */

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-inside], a[data-home]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(new URL(link.href).searchParams).then(() => {
    scrollTo({ top: 0 });
    by("main").focus({ preventScroll: true });
  });
});
addEventListener("popstate", load);
addEventListener("scroll", () => requestAnimationFrame(markCurrent), { passive: true });

/* The door. */

function openDoor(open) {
  by("door").hidden = !open;
  by("main").hidden = open;
  if (!open) {
    by("leave").hidden = !outline.signed_in;
    return;
  }
  by("top").hidden = true;
  dropOthers(new Set());
  by("key").focus();
}

by("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  by("refusal").textContent = "";
  const body = JSON.stringify({ key: by("key").value.trim() });
  const answer = await fetch("/dashboard/login", { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
  if (answer?.ok) {
    by("key").value = "";
    await load();
    by("main").focus({ preventScroll: true });
    return;
  }
  const told = await answer?.json().catch(() => null);
  by("refusal").textContent = told?.error?.message ?? "The gateway cannot be reached.";
  by("key").select();
});

by("leave").addEventListener("click", async () => {
  await fetch("/dashboard/logout", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
  await load();
});

/* Light and dark, live. */

const kept = (name, value) => {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};
if (kept("farthing-theme")) root.dataset.theme = kept("farthing-theme");
by("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  kept("farthing-theme", root.dataset.theme);
  globalThis.farthingCharts.repaint();
});

const live = by("live");
if (kept("farthing-live") === "off") live.setAttribute("aria-pressed", "false");
live.addEventListener("click", () => {
  const on = live.getAttribute("aria-pressed") !== "true";
  live.setAttribute("aria-pressed", String(on));
  kept("farthing-live", on ? "on" : "off");
  if (on) load();
});
setInterval(() => {
  const wanted = live.getAttribute("aria-pressed") === "true" && document.visibilityState === "visible" && by("door").hidden;
  if (wanted && !asked().has("until") && !asked().has("request")) load();
}, REFRESH_MS);

await load();
