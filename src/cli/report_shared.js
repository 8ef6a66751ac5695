const $ = id => document.getElementById(id);
const esc = t => String(t ?? "").replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]));
const root = document.documentElement;
const setTheme = t => { root.dataset.theme = t; $("theme").textContent = t === "dark" ? "light" : "dark"; };
setTheme(/theme=dark/.test(location.hash) || (!/theme/.test(location.hash) && matchMedia("(prefers-color-scheme: dark)").matches)
  ? "dark" : "light");
$("theme").onclick = () => setTheme(root.dataset.theme === "dark" ? "light" : "dark");

/* numbers for people */
const three = x => x === 0 ? "0" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : Number(x.toPrecision(3)).toString();
const ms = x => x == null ? "-" : x >= 1000 ? three(x / 1000) + " s" : x >= 1 ? three(x) + " ms" : x >= 1e-3 ? three(x * 1e3) + " µs"
  : three(x * 1e6) + " ns";
const bytes = x => x >= 1 << 30 ? three(x / (1 << 30)) + " GiB" : x >= 1 << 20 ? three(x / (1 << 20)) + " MiB"
  : x >= 1024 ? three(x / 1024) + " KiB" : three(x) + " B";
const count = x => x >= 1e9 ? three(x / 1e9) + " G" : x >= 1e6 ? three(x / 1e6) + " M" : x >= 1e3 ? three(x / 1e3) + " k" : three(x);
const pct = x => x == null ? "-" : three(100 * x) + " %";

/* svg */
const NS = "http://www.w3.org/2000/svg";
function add(parent, name, attrs, text) {
  const e = document.createElementNS(NS, name);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  if (text != null) e.textContent = text;
  parent.appendChild(e);
  return e;
}
/* a note at the pointer; a click leads to row `index` of the page's table, by its show() */
function tip(element, html, index) {
  element.addEventListener("mousemove", e => {
    const t = $("tip");
    t.innerHTML = html();
    t.style.display = "block";
    t.style.left = Math.min(e.clientX + 14, innerWidth - t.offsetWidth - 8) + "px";
    t.style.top = Math.min(e.clientY + 14, innerHeight - t.offsetHeight - 8) + "px";
  });
  element.addEventListener("mouseleave", () => { $("tip").style.display = "none"; });
  if (index != null) element.addEventListener("click", () => show(index));
}

/* a sortable table with a filter */
function table(id, columns, rows, start, filterId) {
  const t = $(id);
  let by = start, down = true, word = "";
  function draw() {
    const shown = rows.map((r, i) => [r, i]).filter(([r]) => !word || word.split(/\s+/).every(w =>
      Object.values(r).filter(v => typeof v === "string").join(" ").toLowerCase().includes(w)));
    const key = columns[by].key;
    shown.sort(([a, i], [b, j]) => { const x = key(a, i), y = key(b, j), c = typeof x === "string" ? x.localeCompare(y)
      : (x ?? -1) - (y ?? -1); return (down ? -c : c) || i - j; });
    t.innerHTML = "<thead><tr>" + columns.map((c, k) => `<th class="${c.text ? "text" : ""} ${k === by ? down ? "down" : "up" : ""}" ` +
      `data-k="${k}" title="${esc(c.help || "")}">${c.title}</th>`).join("") + "</tr></thead><tbody>" + shown.map(([r, i]) =>
      `<tr data-i="${i}">` + columns.map(c => `<td class="${c.text ? "text clip" : ""} ${c.bar ? "bar" : ""}" ` +
      `${c.text ? `title="${esc(c.key(r, i))}"` : ""}>${c.show(r, i)}${c.bar ? `<u style="width:${100 * Math.min(1, c.bar(r))}%"></u>` : ""}` +
      "</td>").join("") + "</tr>").join("") + "</tbody>";
    t.querySelectorAll("th").forEach(h => h.onclick = () => { const k = +h.dataset.k; down = k === by ? !down : !columns[k].text; by = k; draw(); });
  }
  if (filterId) $(filterId).oninput = e => { word = e.target.value.toLowerCase().trim(); draw(); };
  draw();
}
