// What pages do better with a script than without one: keys, filters that work at once, and when you last looked.
// Nothing here is needed to read, filter, search or export.
"use strict";

const LOOKED_AGAIN_AFTER = 4 * 60 * 60 * 1000;
const KEPT_FOR = 400 * 24 * 60 * 60;

function records() {
  return [...document.querySelectorAll("main a.record")].filter((link) => link.checkVisibility());
}

function move(step) {
  const links = records();
  if (!links.length) return;
  const here = links.indexOf(document.activeElement);
  const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, here + step));
  links[next].focus();
  links[next].scrollIntoView({ block: "center" });
}

const KEYS = {
  "/": () => (document.querySelector("main input[type=search]") ?? document.querySelector("input[type=search]"))?.focus(),
  j: () => move(1),
  k: () => move(-1),
  o: () => document.activeElement?.matches("a.record") && document.activeElement.click(),
};

// Whoever speaks to the computer, or types ahead, may want none of it (WCAG 2.1.4).
const KEYS_OFF = "keys-off";

function typing(target) {
  return target.isContentEditable || target.matches("input:not([type=checkbox]), select, textarea");
}

document.addEventListener("keydown", (event) => {
  if (localStorage.getItem(KEYS_OFF) || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
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
  document.cookie = `${name}=${value}; Max-Age=${KEPT_FOR}; Path=/; SameSite=Lax${secure}`;
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
