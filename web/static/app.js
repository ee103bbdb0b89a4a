// The console's own behaviour. Every page works without it; it adds live updates, keys, dialogs and charts.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const remember = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`; };
const recall = (name) => document.cookie.split("; ").find((c) => c.startsWith(`${name}=`))?.split("=")[1];

// ---- times: the page carries UTC; people read their own clock ----

const FORMS = {
  full: { dateStyle: "medium", timeStyle: "medium" },
  clock: { timeStyle: "medium" },
  day: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  minute: { hour: "2-digit", minute: "2-digit" },
  date: { month: "short", day: "numeric" },
};
const made = {};  // when first asked for: reading the rules of a language takes a browser longer than the rest of this file
const format = (form, at) => (made[form] ??= new Intl.DateTimeFormat(undefined, FORMS[form])).format(at);

export function ago(seconds) {
  const past = seconds >= 0, s = Math.abs(seconds);
  const [n, unit] = s < 60 ? [s, "s"] : s < 3600 ? [s / 60, "min"] : s < 86400 ? [s / 3600, "h"] : [s / 86400, "d"];
  return past ? `${Math.floor(n)} ${unit} ago` : `in ${Math.ceil(n)} ${unit}`;
}

function showTimes(root = document) {
  const utc = recall("clock") === "utc";
  for (const time of $$("time[datetime]", root)) {
    const at = new Date(time.dateTime);
    const age = (Date.now() - at) / 1000;
    const kind = time.dataset.show || "relative";
    const inUtc = `${at.toISOString().replace("T", " ").slice(0, 19)} UTC`;
    if (kind === "relative") time.textContent = ago(age);
    else if (utc) time.textContent = inUtc;
    else time.textContent = format(kind === "clock" ? "clock" : Math.abs(age) < 8e7 ? "day" : "full", at);
    time.title = `${format("full", at)} here, ${inUtc}`;
  }
}

// ---- live: one stream a page; it says that something changed, the page asks for what it shows ----

let stream, timer;
const dot = () => $("#live-state");

function say(state, text) {
  if (dot()) { dot().dataset.state = state; dot().textContent = text; }
}

function refresh() {
  document.body.dispatchEvent(new CustomEvent("live"));
}

function follow() {
  stream?.close();
  clearTimeout(timer);  // or the interval: they are numbered together
  stream = undefined;
  const rate = recall("live") || "live";
  if (!$("[data-live]")) return say("off", "");
  if (document.hidden) return say("paused", "paused: this tab is hidden");
  if (rate === "off") return say("off", "off");
  if (rate !== "live") {
    timer = setInterval(refresh, Number(rate) * 1000);
    return say("on", `every ${rate} s`);
  }
  const topics = $("[data-live]").dataset.live;
  stream = new EventSource(`/live?topics=${encodeURIComponent(topics)}`);
  stream.onopen = () => say("on", "live");
  stream.onmessage = refresh;
  stream.onerror = ({ target }) => {
    say("lost", "connecting again");
    // A lost connection the browser opens again by itself; after an answer that is no stream it has given up for good.
    if (target.readyState === EventSource.CLOSED) timer = setTimeout(() => { refresh(); follow(); }, 5000 + 5000 * Math.random());
  };
}

// What the reader has opened or walked to is no business of the server: a refresh leaves it as it is.
window.htmx?.registerExtension("reader", {
  htmx_before_morph_attr: (element, { attrName }) =>
    !(attrName === "open" && element.matches("details, dialog")) && !(attrName === "aria-current" && element.matches("tr")),
});

// ---- dialogs ----

function openDialog(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  $("[autofocus], input:not([type=hidden]), button", dialog)?.focus();
}

// ---- lists: rows under the keys, and a selection ----

const rows = () => $$("[data-rows] > tr[id]:not(.glance)");

function move(step) {
  const all = rows(), at = all.findIndex((row) => row.hasAttribute("aria-current"));
  if (!all.length) return;
  const row = all[Math.max(0, Math.min(all.length - 1, at + step))];
  all[at]?.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  ($("a.cover", row) || row).focus();
  row.scrollIntoView({ block: "nearest" });
}

const boxesOfRows = () => $$("[data-rows] input[type=checkbox][name]");
const chosenRows = () => boxesOfRows().filter((row) => row.checked);

function countSelected() {
  const bar = $("[data-selection]");
  if (!bar) return;
  const boxes = boxesOfRows(), chosen = chosenRows().length;
  bar.hidden = !chosen;
  for (const place of $$("[data-count]", bar)) place.textContent = chosen;
  for (const button of $$("[data-copy-selected]", bar)) button.hidden = false;
  const all = $("[data-select-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
}

// New rows do not push a list while somebody reads it: it is asked for from the top that is known, and says how many
// there are above.
const isRead = (list) => $("[data-older]", list) || list.getBoundingClientRect().top < 0 || chosenRows().length || $(".glance", list);

let held = 0, again;

// Each reader's own question, which no other page shares: asked every three seconds at most.
function holdRows(event) {
  const { target, detail } = event, known = target.id === "rows" && $("#newer", target);
  if (!known || !isRead(target)) return;
  const early = held + 3000 - Date.now();
  if (early > 0) {
    event.preventDefault();
    clearTimeout(again);
    again = setTimeout(refresh, early);
    return;
  }
  held = Date.now();
  const { body } = detail.ctx.request, unfolded = $$(".glance", target).map((row) => row.id.slice(1).replaceAll("-", ""));
  body.set("top", known.dataset.top);
  if (unfolded.length) body.set("unfolded", unfolded.join("."));
}

// A row's own place for more; the rest of the list stays as it is.
function unfoldRow(row, open) {
  const link = row && $(".unfold", row), below = row?.nextElementSibling;
  const isOpen = Boolean(below?.matches(".glance"));
  if (!link || open === isOpen || (!isOpen && $$(".glance").length >= 20)) return;
  link.setAttribute("aria-expanded", !isOpen);
  if (isOpen) below.remove(); else link.dispatchEvent(new CustomEvent("unfold"));
}

// ---- the reader's own time zone, where one is asked for ----

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

function offerZone() {
  for (const button of $$("[data-my-zone]")) {
    button.hidden = !zone();
    button.textContent = `Mine: ${zone()}`;
  }
}

function takeZone(field) {
  field.value = zone();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// A form's times are the reader's, unless UTC is asked for; the page brings them in UTC.
function readOwnClock() {
  if (recall("clock") === "utc" || !zone()) return;
  for (const place of $$("[data-zone]")) place[place.matches("input") ? "value" : "textContent"] = zone();
  for (const field of $$("input[data-utc]")) {
    if (!field.value || field.value !== field.defaultValue) continue;  // empty, or typed by now
    const at = new Date(`${field.value}Z`);
    field.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
}

// ---- charts ----

function resolve(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  probe.style.forcedColorAdjust = "none";  // a chart's lines are told apart by their colours
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function draw(all = true) {
  if (!window.uPlot) return;
  for (const place of $$(".chart[data-chart]")) {
    const text = $(`#${place.dataset.chart}`).textContent;
    if (!all && place.drawn === text) continue;
    place.drawn = text;
    const data = JSON.parse(text);
    place.plot?.destroy();
    place.replaceChildren();
    const grid = { stroke: resolve("--line"), width: 1 }, stroke = resolve("--muted");
    const shift = (at) => (recall("clock") === "utc" ? window.uPlot.tzDate(new Date(at * 1000), "UTC") : new Date(at * 1000));
    // The clock, and below it the date where another day begins.
    const named = (plot, moments, axis, space, step) => moments.map((at, i) => {
      const date = format("date", shift(at));
      if (step >= 86400) return date;
      return format("minute", shift(at)) + (i && date === format("date", shift(moments[i - 1])) ? "" : `\n${date}`);
    });
    place.plot = new window.uPlot({
      width: place.clientWidth, height: 208, padding: [8, 28, 0, 0],
      legend: { live: false },
      tzDate: shift,
      cursor: { drag: { x: true, y: false } },
      axes: [{ stroke, grid, ticks: grid, values: named, space: 72 }, { stroke, grid, ticks: grid, size: 56 }],
      series: [{}, ...data.series.map((s) => ({ label: s.label, stroke: resolve(s.color), fill: s.fill ? resolve(s.fill) : undefined, width: 1.5, points: { show: !!s.points, size: 5, fill: resolve(s.color) } }))],
      hooks: { draw: [(u) => data.open && dim(u), (u) => mark(u, data.marks || [])], setSelect: [(u) => data.href && zoom(u, data.href)] },
    }, data.values, place);
  }
}

// The last moment's figures still grow: that they fall there says nothing.
function dim(plot) {
  const { ctx, bbox } = plot, x = plot.valToPos(plot.data[0].at(-2), "x", true);
  ctx.save();
  ctx.globalAlpha = 0.75;
  ctx.fillStyle = resolve("--surface");
  ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x + 4, bbox.height + 4);
  ctx.restore();
}

// When something was deployed: a line across, and its name.
function mark(plot, marks) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = resolve("--muted");
  ctx.setLineDash([4, 4]);
  for (const [at, name] of marks) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const isLate = x > bbox.left + bbox.width / 2;
    ctx.textAlign = isLate ? "right" : "left";
    ctx.fillText(name.slice(0, 20), x + (isLate ? -6 : 6), bbox.top + 12);
  }
  ctx.restore();
}

function zoom(plot, href) {
  const from = plot.posToVal(plot.select.left, "x"), to = plot.posToVal(plot.select.left + plot.select.width, "x");
  if (to - from < 1) return;
  const iso = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "Z";
  location.href = href.replace("{from}", iso(from)).replace("{to}", iso(to));
}

// ---- pan and zoom of a drawing, and the way through it ----

let following = false;  // what runs

function panZoom(svg) {
  const box = svg.viewBox.baseVal, fit = () => { const [x, y, width, height] = svg.dataset.pan.split(" ").map(Number); return { x, y, width, height }; };
  const view = fit();
  let moved = false;
  const show = () => { moved = true; Object.assign(box, view); };
  const scale = (factor) => {
    const w = view.width * factor, h = view.height * factor;
    view.x += (view.width - w) / 2; view.y += (view.height - h) / 2; view.width = w; view.height = h;
    show();
  };
  svg.restore = () => { if (moved) show(); else Object.assign(view, fit()); };
  svg.addEventListener("wheel", (event) => { if (event.ctrlKey) { event.preventDefault(); scale(event.deltaY > 0 ? 1.1 : 0.9); } }, { passive: false });
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) return;
    const ratio = view.width / svg.clientWidth;
    view.x -= event.movementX * ratio; view.y -= event.movementY * ratio;
    show();
  });
  // The first step that runs comes into the middle; where none does, all stays.
  svg.follow = () => {
    const node = $(".node.running", svg), frame = svg.parentElement;
    if (!node) return;
    if (moved) {
      const { x, y, width, height } = $("rect", node).getBBox();
      view.x = x + (width - view.width) / 2; view.y = y + (height - view.height) / 2;
      show();
    }
    const seen = node.getBoundingClientRect();
    frame.scrollBy(seen.left + seen.width / 2 - frame.getBoundingClientRect().left - frame.clientWidth / 2, 0);
  };
  svg.zoom = (how) => {
    if (how === "fit") { Object.assign(view, fit()); show(); moved = false; } else scale(how === "in" ? 0.8 : 1.25);
  };
}

// A refresh puts the drawing's own frame back: whoever has moved it finds it as it was.
function panAll() {
  for (const svg of $$("svg[data-pan]")) if (svg.restore) svg.restore(); else panZoom(svg);
  for (const button of $$("[data-follow]")) {
    button.setAttribute("aria-pressed", following);
    if (following) $(`#${button.dataset.follow}`)?.follow?.();
  }
}

// An arrow key goes to the nearest step on that side, one of the same row before one that is nearer but aside.
const SIDES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function step(node, [right, down]) {
  const at = (one) => { const { x, y, width, height } = $("rect", one).getBBox(); return [x + width / 2, y + height / 2]; };
  const [x, y] = at(node);
  let nearest, least = Infinity;
  for (const other of $$("a.node", node.ownerSVGElement)) {
    const [dx, dy] = at(other).map((place, axis) => place - [x, y][axis]);
    const ahead = dx * right + dy * down, aside = Math.abs(dx * down) + Math.abs(dy * right);
    if (ahead > 1 && ahead + 2 * aside < least) { least = ahead + 2 * aside; nearest = other; }
  }
  nearest?.focus();
  nearest?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// ---- the search box: what the word before the caret may become, as a combobox of the ARIA practices ----

const box = $("#search"), list = $("#suggestions");
let asking, typing, asked;  // the last: what stood before the caret when the list was made

const typed = () => box.value.slice(0, box.selectionStart);
const options = () => $$("[role=option]", list);
const chosen = () => $("[aria-selected=true]", list);

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) box.setAttribute("aria-activedescendant", option.id);
  else box.removeAttribute("aria-activedescendant");
}

function unfold(open) {
  list.hidden = !open;
  box.setAttribute("aria-expanded", open);
  if (open) return;
  clearTimeout(typing);
  asking?.abort();
  choose(undefined);
}

async function suggest(first = false) {
  clearTimeout(typing);
  asking?.abort();
  const { signal } = asking = new AbortController(), before = typed();
  try {
    const answer = await fetch(`/jobs/suggestions?q=${encodeURIComponent(before)}`, { signal });
    const found = answer.ok ? await answer.text() : "";
    choose(undefined);
    asked = before;
    list.innerHTML = found;
    unfold(options().length > 0 && document.activeElement === box);
    if (first) choose(options()[0]);
  } catch {
    if (!signal.aborted) unfold(false);  // the server is away: the box works without
  }
}

// The rest of a word in whose middle the caret was goes with it.
function take({ dataset: { text } }) {
  box.value = text + box.value.slice(box.selectionStart).replace(/^[^\s"]*\s*/, "");
  box.setSelectionRange(text.length, text.length);
  if (text.endsWith(":")) suggest(); else unfold(false);
}

function pressInBox(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = options(), at = all.indexOf(chosen()), isOpen = !list.hidden && asked === typed();
  const actions = {
    ArrowDown: () => (isOpen ? choose(all[(at + 1) % all.length]) : suggest(true)),
    ArrowUp: isOpen && (() => choose(all[(at < 1 ? all.length : at) - 1])),
    Enter: isOpen && at >= 0 && (() => take(all[at])),
    Tab: isOpen && at >= 0 && !event.shiftKey && (() => take(all[at])),
    Escape: !list.hidden && (() => unfold(false)),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  actions[event.key]();
}

if (box) {
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", "suggestions"], ["aria-expanded", "false"]]) box.setAttribute(name, value);
  const soon = () => { choose(undefined); clearTimeout(typing); typing = setTimeout(() => suggest(), 80); };
  box.addEventListener("input", soon);
  const moved = () => { if (!list.hidden && asked !== typed()) soon(); };
  box.addEventListener("click", moved);
  box.addEventListener("keyup", ({ key }) => { if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(key)) moved(); });
  box.addEventListener("focus", () => { if (!box.value) suggest(); });
  box.addEventListener("blur", () => unfold(false));
  box.addEventListener("keydown", pressInBox);
  list.addEventListener("pointerdown", (event) => event.preventDefault());  // the caret stays in the box
  list.addEventListener("click", (event) => { const option = event.target.closest("[role=option]"); if (option) take(option); });
}

// ---- a log that grows: its end is in view, until its reader looks further up ----

function followLog() {
  const box = $("[data-follow-log]"), log = $("#logs .log");
  if (box) box.closest("label").hidden = false;
  if (box?.checked && log) log.scrollTop = log.scrollHeight;
}

document.addEventListener("scroll", ({ target }) => {
  const box = $("[data-follow-log]");
  if (box && target.matches?.("#logs .log")) box.checked = target.scrollHeight - target.scrollTop - target.clientHeight < 8;
}, true);

// ---- keys ----

const GO = { o: "/", j: "/jobs", e: "/errors", s: "/schedules", w: "/workflows", q: "/queues", d: "/deliveries", a: "/actors", t: "/settings" };
let prefix = false;

// What the page is about, or what is selected on it.
const act = (key) => $(`.head [data-key=${key}], [data-selection]:not([hidden]) [data-key=${key}]`)?.click();

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if ($("dialog[open]")) return;
  const key = event.key, node = SIDES[key] && event.target.closest("a.node");
  if (node) { event.preventDefault(); step(node, SIDES[key]); return; }
  if (prefix) {
    prefix = false;
    if (GO[key]) { event.preventDefault(); location.href = GO[key]; }
    return;
  }
  const current = $("[data-rows] > tr[aria-current]");
  const actions = {
    g: () => { prefix = true; setTimeout(() => { prefix = false; }, 1500); },
    "/": () => $("#search")?.focus(),
    "?": () => openDialog($("#keys")),
    j: () => move(1),
    k: () => move(-1),
    x: () => $("[data-rows] > tr[aria-current] input[type=checkbox]")?.click(),
    ArrowRight: current && (() => unfoldRow(current, true)),
    l: () => unfoldRow(current, true),
    ArrowLeft: current && (() => unfoldRow(current, false)),
    h: () => unfoldRow(current, false),
    "[": () => $("a[rel=prev]")?.click(),
    "]": () => $("a[rel=next]")?.click(),
    ".": () => ($("[data-selection]:not([hidden]) button") || $(".head .actions :is(a, button, summary)"))?.focus(),
    r: () => act("r"),
    c: () => act("c"),
  };
  if (actions[key]) { event.preventDefault(); actions[key](); }
}

// ---- clicks and changes, wherever they happen ----

document.addEventListener("click", async (event) => {
  const opens = event.target.closest("[data-dialog]");
  if (opens) { event.preventDefault(); openDialog($(`#${opens.dataset.dialog}`)); return; }
  const unfolds = event.target.closest(".unfold");
  if (unfolds) { event.preventDefault(); unfoldRow(unfolds.closest("tr")); return; }
  const mine = event.target.closest("[data-my-zone]");
  if (mine) { takeZone($(`#${mine.dataset.myZone}`)); return; }
  if (event.target.closest("[data-follow]")) { following = !following; panAll(); return; }
  const zooms = event.target.closest("[data-zoom]");
  if (zooms) { $(`#${zooms.dataset.zoom}`)?.zoom?.(zooms.value); return; }
  const closes = event.target.closest("[data-close]");
  if (closes) { event.preventDefault(); closes.closest("dialog")?.close(); return; }
  const copies = event.target.closest("[data-copy], [data-copy-selected]");
  if (copies) {
    event.preventDefault();
    const what = copies.dataset.copy ?? chosenRows().map((row) => row.value).join("\n");
    const from = what.startsWith("#") ? $(what).textContent : what;
    await navigator.clipboard.writeText(from);
    const label = copies.textContent;
    copies.textContent = "Copied";
    setTimeout(() => { copies.textContent = label; }, 1200);
    return;
  }
  for (const open of $$("details.popover[open]")) if (!open.contains(event.target)) open.open = false;
});

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("[data-select-all]")) {
    for (const row of boxesOfRows()) row.checked = target.checked;
  }
  if (target.matches("[data-preference]")) {
    remember(target.dataset.preference, target.value);
    if (["theme", "density"].includes(target.dataset.preference)) {
      document.documentElement.dataset[target.dataset.preference] = target.value;
    }
    draw();
    showTimes();
    follow();
  }
  if (target.matches("[data-follow-log]")) followLog();
  if (target.matches("[data-submit]")) target.form.requestSubmit();
  countSelected();
});

document.addEventListener("keydown", press);
document.addEventListener("visibilitychange", follow);
document.addEventListener("htmx:config:request", holdRows);
document.addEventListener("htmx:after:swap", (event) => {
  showTimes();
  countSelected();
  draw(false);  // what has changed: over the others somebody may hold the pointer
  panAll();
  followLog();
});
setInterval(showTimes, 10_000);
addEventListener("resize", () => draw());
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", () => draw());

for (const control of $$("[data-preference]")) control.value = recall(control.dataset.preference) || control.value;
countSelected();
draw();
panAll();
followLog();
follow();
// The page tells its times by itself, in words and in UTC: it is painted before they are put on the reader's clock.
const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work));  // Safari has none
whenIdle(() => { showTimes(); offerZone(); readOwnClock(); }, { timeout: 1000 });
