(function () {
  "use strict";
  // A button for light and dark; without it the page follows the system.
  var list = document.querySelector("nav ul");
  if (list) {
    var item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    var dark = function () {
      var set = document.documentElement.dataset.theme;
      return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    };
    var name = function () { button.textContent = dark() ? "Light" : "Dark"; };
    button.addEventListener("click", function () {
      document.documentElement.dataset.theme = dark() ? "light" : "dark";
      name();
    });
    name();
    item.append(button);
    list.append(item);
  }
  // Sorting: numbers by value, everything else by text, "n/a" last.
  var value = function (row, column) { return row.cells[column].textContent.trim(); };
  var number = function (text) {
    var t = text.replace(/\u2212/g, "-").replace(/^\+/, "");
    return /^-?[0-9.]+(e[-+]?[0-9]+)?/i.test(t) ? parseFloat(t) : NaN;
  };
  document.querySelectorAll("table.sortable").forEach(function (table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      var sort = document.createElement("button");
      sort.type = "button";
      sort.append.apply(sort, Array.from(head.childNodes));
      head.append(sort);
      sort.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("th[aria-sort]").forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.from(table.tBodies[0].rows);
        rows.sort(function (a, b) {
          var x = value(a, column), y = value(b, column), m = number(x), n = number(y);
          if (isNaN(m) !== isNaN(n)) return isNaN(m) ? 1 : -1;
          var d = isNaN(m) ? x.localeCompare(y) : m - n;
          return up ? d : -d;
        });
        rows.forEach(function (r) { table.tBodies[0].append(r); });
      });
    });
  });
})();
