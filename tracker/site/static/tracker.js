// What pages do better with a script than without one: keys, filters that work at once, and when you last looked.
// Nothing here is needed to read, filter, search or export.
"use strict";

const LOOKED_AGAIN_AFTER = 4 * 60 * 60 * 1000;
const KEPT_FOR = 400 * 24 * 60 * 60;

// Whoever tags goes through the list that has the forms; a reader through all that there is.
function records() {
  const listed = document.querySelectorAll("ol.articles > li:has(.acts) > .title > a.record");
  const links = listed.length ? listed : document.querySelectorAll("main a.record");
  return [...links].filter((link) => link.checkVisibility());
}

function move(step) {
  const beside = document.querySelector(`.beside a[rel=${step > 0 ? "next" : "prev"}]`);
  if (beside) { beside.click(); return; }
  const links = records();
  if (!links.length) return;
  // From a form of a record, its neighbours are next.
  const within = document.activeElement.closest("ol.articles > li")?.querySelector("a.record");
  const here = links.indexOf(within ?? document.activeElement);
  const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, here + step));
  links[next].focus();
  links[next].scrollIntoView({ block: "center" });
}

// Where keys act: the record that has the focus; on a paper's own page the question that one came from, or the only one.
function panel(what = ".acts") {
  const here = document.activeElement.closest("ol.articles > li, .place")?.querySelector(".panel");
  if (here?.querySelector(what)) return here;
  const places = [...document.querySelectorAll(".place")].filter((each) => each.querySelector(what));
  const place = places.find((each) => each.dataset.came !== undefined) ?? (places.length === 1 ? places[0] : null);
  if (!place) say(places.length ? "Which question? Go to one of its buttons first (Tab)." : "Choose a record first: j and k.", true);
  return place?.querySelector(".panel");
}

// The record that a key decided on gives way to the next; a button that was clicked stays where it is.
let byKey = false;

function decide(value) {
  if (!document.querySelector(".panel .acts")) return;
  const here = panel(".decide");
  const button = here?.querySelector(`.decide button[value="${value}"]`);
  if (!button) return;
  const fullText = new URLSearchParams(location.search).get("decision") === "todo-full";
  if (here.querySelector("input[name=stage]").value === "full-text" && !fullText) {
    say("This record is at the full text: use its buttons, or go through the list of those left for you by full text.", true);
    return;
  }
  byKey = true;
  button.click();
  byKey = false;
}

// Abstracts that a key opened stay open on the pages that follow, for as long as the tab is there.
const ABSTRACTS_OPEN = "abstracts-open";

function showAbstracts() {
  const record = document.activeElement.closest("ol.articles > li");
  const following = [...document.querySelectorAll("ol.articles .abstract")].filter((each) => record?.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (!following.length) return;
  const open = !following[0].open;
  for (const each of following) each.open = open;
  if (open) sessionStorage.setItem(ABSTRACTS_OPEN, "1"); else sessionStorage.removeItem(ABSTRACTS_OPEN);
}

if (sessionStorage.getItem(ABSTRACTS_OPEN)) {
  for (const each of document.querySelectorAll("ol.articles .abstract")) each.open = true;
}

function writeNote() {
  if (!document.querySelector(".panel .acts")) return;
  const note = panel()?.querySelector(".noting");
  if (!note) return;
  note.open = true;
  note.querySelector("textarea").focus();
}

const KEYS = {
  "/": () => (document.querySelector("main input[type=search]") ?? document.querySelector("input[type=search]"))?.focus(),
  j: () => move(1),
  k: () => move(-1),
  o: () => document.activeElement?.matches("a.record") && document.activeElement.click(),
  a: showAbstracts,
  t: () => document.querySelector(".panel .acts") && panel()?.querySelector(".tagging input[name=tag]")?.focus(),
  i: () => decide("include"),
  e: () => decide("exclude"),
  u: () => decide("unsure"),
  n: writeNote,
  z: () => document.querySelector(".panel .acts") && send(undoForm()),
  "?": () => document.querySelector("dialog.keys-help")?.showModal(),
};

// Whoever speaks to the computer, or types ahead, may want none of it (WCAG 2.1.4).
const KEYS_OFF = "keys-off";

function typing(target) {
  return target.isContentEditable || target.matches("input:not([type=checkbox]), select, textarea");
}

// Out of a field by Escape, to the record; a note is saved by Ctrl and Enter.
function leaveField(event) {
  const field = event.target;
  if (!field.closest?.(".panel") || !typing(field)) return false;
  if (event.key === "Escape") {
    const link = field.closest("ol.articles > li")?.querySelector("a.record");
    if (link) link.focus(); else field.blur();
    return true;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches("textarea")) {
    field.form.requestSubmit();
    return true;
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  if (leaveField(event)) return;
  if (localStorage.getItem(KEYS_OFF) || event.repeat && !"jk".includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
});

// A tag, a decision or a note is sent from where one is, and the record's panel is shown as it is then.
function undoForm() {
  const form = document.createElement("form");
  form.method = "post";
  form.action = document.querySelector("[data-undo]").dataset.undo;
  const given = { csrftoken: document.querySelector("input[name=csrftoken]").value, back: location.pathname + location.search };
  for (const [name, value] of Object.entries(given)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  return form;
}

function say(text, isError = false) {
  const place = document.querySelector("#said-just-now");
  place.textContent = text;
  place.classList.toggle("error", isError);
  place.hidden = !text;
}

// Typed at the keyboard, the next record is what comes next.
function focusAfter(fresh, how, wasByKey) {
  const link = fresh.closest("ol.articles > li")?.querySelector("a.record");
  if (how === "decision" && link && wasByKey) { link.focus(); move(1); return; }
  if (how === "decision") { fresh.querySelector(".decide button[aria-pressed=true], .decide button")?.focus({ preventScroll: true }); return; }
  const again = fresh.querySelector(how === "tag" ? ".tagging input[name=tag]" : ".noting summary");
  (again ?? link)?.focus();
}

// What somebody has before them when they decide: no form knows whether its abstract is open, and labels may have been
// hidden or shown in another tab.
function addWhatIsSeen(body, here) {
  const abstract = here.querySelector(":scope > .abstract");
  const basis = abstract ? (abstract.open ? "abstract" : "title") : here.closest("[data-basis]")?.dataset.basis;
  if (basis) body.set("basis", basis);
  const labels = here.closest("[data-labels]")?.dataset.labels;
  if (labels) body.set("labels", labels);
}

async function send(form, submitter) {
  const wasByKey = byKey;
  const body = new URLSearchParams(new FormData(form, submitter));
  const here = form.closest(".panel");
  if (submitter?.name === "decision") addWhatIsSeen(body, here);
  const onArticle = !document.querySelector("ol.articles .panel");
  body.set("panel", onArticle ? "article" : "list");
  if (!body.has("question")) body.set("question", document.querySelector(".panel[data-question]")?.dataset.question ?? "");
  let answer;
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (response.redirected) { location.reload(); return; }
    answer = await response.json();
  } catch {
    say("This was not sent: the site did not answer. Try again.", true);
    return;
  }
  if (!answer.ok) { say(answer.error, true); return; }
  say(`${answer.message}${answer.batch && !form.action.endsWith("/undo") ? " (z undoes it)" : ""}`);
  let shown = 0;
  for (const [pmid, html] of Object.entries(answer.panels ?? {})) {
    for (const old of document.querySelectorAll(`.panel[data-pmid="${pmid}"][data-question="${body.get("question")}"]`)) {
      const made = new DOMParser().parseFromString(html, "text/html").querySelector(".panel");
      const abstract = made.querySelector(":scope > .abstract");
      if (abstract) abstract.open = old.querySelector(":scope > .abstract")?.open;
      old.replaceWith(made);
      shown += 1;
      if (here === old) focusAfter(made, submitter?.name === "decision" ? "decision" : body.has("text") ? "note" : "tag", wasByKey);
      else if (!here) made.closest("li")?.querySelector("a.record")?.focus();
    }
  }
  if (!shown) location.reload();
}

document.addEventListener("submit", (event) => {
  if (!event.target.closest(".panel")) return;
  event.preventDefault();
  const why = event.target.querySelector(".reason select");
  if (event.submitter?.value === "exclude" && why && !why.value && event.target.elements.stage.value === "full-text") {
    why.focus();
    say("Choose a reason, then exclude.", true);
    return;
  }
  send(event.target, event.submitter);
});

// Fields that say nothing stay out of the address.
function leaveOutEmpty(form) {
  const empty = [...form.elements].filter((field) => field.name && !field.value);
  for (const field of empty) field.disabled = true;
  // Going back in history must find them as they were.
  setTimeout(() => { for (const field of empty) field.disabled = false; });
}

// The page that a choice leads to goes on where the reader was.
const CHOOSING = "choosing";

function goOnChoosing(form) {
  const chosen = sessionStorage.getItem(CHOOSING);
  sessionStorage.removeItem(CHOOSING);
  const box = [...form.elements].find((each) => each.type === "checkbox" && `${each.name}=${each.value}` === chosen);
  if (!box) return;
  box.closest("details").open = true;
  // Going to a part of the page takes the focus away, and comes last.
  addEventListener("load", () => setTimeout(() => box.focus({ preventScroll: true })));
}

for (const form of document.querySelectorAll("form[data-instant]")) {
  form.addEventListener("submit", () => leaveOutEmpty(form));
  form.addEventListener("change", (event) => {
    // What is typed, or chosen by arrow keys, is not finished when it changes.
    if (event.target.type !== "checkbox" || !form.reportValidity()) return;
    sessionStorage.setItem(CHOOSING, `${event.target.name}=${event.target.value}`);
    form.requestSubmit();
  });
  goOnChoosing(form);
}

function cookie(name) {
  return document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}

function keep(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Max-Age=${KEPT_FOR}; Path=${document.body.dataset.base}; SameSite=Lax${secure}`;
}

// Looking twice within some hours is one look: what is new stays marked as new for that long.
function noteLook(slug) {
  const now = new Date();
  const before = cookie(`seen-${slug}`);
  if (before && now - new Date(before) < LOOKED_AGAIN_AFTER) return;
  if (before) keep(`looked-${slug}`, before);
  keep(`seen-${slug}`, now.toISOString().replace(/\.\d+/, ""));
}

const question = document.querySelector("[data-question]")?.dataset.question;
if (question) noteLook(question);

const keys = document.querySelector(".keys");
const keysOff = keys?.querySelector("button");

function showKeys() {
  keysOff.setAttribute("aria-pressed", String(Boolean(localStorage.getItem(KEYS_OFF))));
}

if (keysOff) {
  keys.hidden = false;
  showKeys();
  keysOff.addEventListener("click", () => {
    if (localStorage.getItem(KEYS_OFF)) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
    showKeys();
  });
}
