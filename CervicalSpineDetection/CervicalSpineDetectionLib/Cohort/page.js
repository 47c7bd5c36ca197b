/* Sort, filter, and remember which scans were reviewed: in this browser, under the page's address. */
"use strict";
const main = document.querySelector("main");
const cards = [...main.children];
const key = "reviewed:" + location.pathname;
let reviewed = {};
try { reviewed = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* no storage here: marks last as long as the page */ }

function update() {
  const show = document.getElementById("show").value, sort = document.getElementById("sort").value;
  cards.sort((one, other) => sort === "title" ? one.dataset.title.localeCompare(other.dataset.title)
    : other.dataset.doubt - one.dataset.doubt || one.id.localeCompare(other.id));
  for (const card of cards) {
    const done = card.id in reviewed;
    card.querySelector("input").checked = done;
    card.classList.toggle("reviewed", done);
    card.hidden = show === "open" && done || show === "doubtful" && !card.classList.contains("doubtful");
    main.append(card);
  }
  document.getElementById("count").textContent = `${Object.keys(reviewed).length} of ${cards.length} reviewed`;
}

main.addEventListener("change", event => {
  const id = event.target.closest("article").id;
  if (event.target.checked) reviewed[id] = new Date().toISOString(); else delete reviewed[id];
  try { localStorage.setItem(key, JSON.stringify(reviewed)); } catch { /* as above */ }
  update();
});
for (const id of ["show", "sort"]) document.getElementById(id).addEventListener("change", update);
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = "data:application/json," + encodeURIComponent(JSON.stringify(reviewed, null, 1));
  link.download = "reviewed.json";
  link.click();
});
update();
