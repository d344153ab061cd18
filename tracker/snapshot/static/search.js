/* Search in a snapshot. Pages opened from disk may not fetch, so what is needed is added as scripts. */
"use strict";
const tracker = (() => {
  const given = { records: new Map(), terms: new Map(), about: null };
  const loading = new Map();

  function load(name) {
    if (!loading.has(name)) {
      loading.set(name, new Promise((done) => {
        const script = document.createElement("script");
        script.src = `search/${name}.js`;
        script.onload = () => done();
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  const words = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];
  const beginning = (word) => (/^[a-z0-9]{2}/.test(word) ? word.slice(0, 2) : "others");

  async function having(word) {
    const file = beginning(word);
    const found = new Set();
    if (!given.about.beginnings.has(file)) return found;
    await load(`terms-${file}`);
    for (const [term, steps] of Object.entries(given.terms.get(file))) {
      if (!term.startsWith(word)) continue;
      let place = 0;
      for (const step of steps) found.add((place += step));
    }
    return found;
  }

  async function search(text) {
    await load("about");
    let found = null;
    for (const word of words(text)) {
      const mine = await having(word);
      found = found === null ? mine : new Set([...found].filter((place) => mine.has(place)));
    }
    return [...(found || [])].sort((one, other) => one - other);
  }

  async function record(place) {
    const file = Math.floor(place / given.about.each);
    await load(`records-${file}`);
    return given.records.get(file)[place % given.about.each];
  }

  function item([key, title, authors, journal, year, standing]) {
    const entry = document.createElement("li");
    const heading = document.createElement("p");
    heading.className = "title";
    if (standing) {
      const mark = document.createElement("strong");
      mark.className = "mark bad";
      mark.textContent = standing;
      heading.append(mark, " ");
    }
    const link = document.createElement("a");
    link.href = `articles/${key}.html`;
    link.textContent = title;
    heading.append(link);
    const source = document.createElement("p");
    source.className = "source";
    source.textContent = [authors, journal, year].filter(Boolean).map((part) => String(part).replace(/\.$/, "")).join(". ");
    entry.append(heading, source);
    return entry;
  }

  const MOST = 200;
  let asked = 0;
  async function show(text) {
    const mine = (asked += 1);
    const found = text.trim() ? await search(text) : [];
    const shown = await Promise.all(found.slice(0, MOST).map(record));
    // Somebody typed on meanwhile.
    if (mine !== asked) return;
    document.getElementById("hits").replaceChildren(...shown.map(item));
    const many = found.length === 1 ? "1 record" : `${found.length.toLocaleString("en")} records`;
    const first = found.length > MOST ? `, of which the newest ${MOST} are shown` : "";
    document.getElementById("told").textContent = text.trim() ? `${many}${first}.` : "";
  }

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("search");
    if (!form) return;
    const asks = new URLSearchParams(location.search).get("q") || "";
    form.elements.q.value = asks;
    show(asks);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      show(form.elements.q.value);
    });
  });

  return {
    records: (file, rows) => given.records.set(file, rows),
    terms: (file, found) => given.terms.set(file, found),
    about: (each, beginnings) => { given.about = { each, beginnings: new Set(beginnings) }; },
  };
})();
