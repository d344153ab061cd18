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

function typing(target) {
  return target.isContentEditable || target.matches("input:not([type=checkbox]), select, textarea");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
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

for (const form of document.querySelectorAll("form[data-instant]")) {
  form.addEventListener("submit", () => leaveOutEmpty(form));
  form.addEventListener("change", (event) => {
    if (event.target.type !== "search" && form.reportValidity()) form.requestSubmit();
  });
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

document.querySelector(".keys")?.removeAttribute("hidden");
