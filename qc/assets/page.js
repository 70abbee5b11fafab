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
// The viewer: started when it comes into sight, so that a page opens at once.
(function () {
  "use strict";
  var bytes = function (text) { return Uint8Array.from(atob(text.trim()), function (c) { return c.charCodeAt(0); }); };
  var inflate = function (text) {
    var stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  var hex = function (text) { return text.match(/../g).map(function (h) { return parseInt(h, 16); }); };
  var start = async function (figure) {
    var state = figure.querySelector(".state"), say = function (text) { state.hidden = !text; state.textContent = text; };
    var probe = document.createElement("canvas").getContext("webgl2");
    if (!probe || typeof DecompressionStream === "undefined") {
      figure.dataset.state = "unable";
      say("This browser cannot draw the interactive viewer (it needs WebGL 2). The pictures on this page show the same data.");
      return;
    }
    say("Loading the viewer…");
    if (typeof niivue === "undefined") {
      var script = document.createElement("script");
      script.textContent = await inflate(figure.querySelector(".program").textContent);
      document.head.append(script);
    }
    figure.querySelector(".screen").hidden = false;
    var canvas = figure.querySelector("canvas");
    var nv = new niivue.Niivue({ backColor: [0, 0, 0, 1], crosshairWidth: 0.15, crosshairGap: 3, crosshairColor: [0.95, 0.75, 0.2, 1], fontColor: [1, 1, 1, 1], dragAndDropEnabled: false,
      isColorbar: true, colorbarHeight: 0.03, fontMinPx: 18, show3Dcrosshair: false, sagittalNoseLeft: true, isNearestInterpolation: true, multiplanarShowRender: 0, multiplanarPadPixels: 8, logLevel: "silent", isResizeCanvas: true });
    await nv.attachToCanvas(canvas);
    var ramp = hex(figure.dataset.red).map(function (_, i) { return i; });
    nv.addColormap("residual", { R: hex(figure.dataset.red), G: hex(figure.dataset.green), B: hex(figure.dataset.blue), A: ramp.map(function () { return 255; }), I: ramp });
    var sources = Array.from(figure.querySelectorAll(".volume")), names = { gray: "gray", residual: "residual", sigma: "viridis" };
    var images = [];
    for (var i = 0; i < sources.length; i++) {
      var image = await niivue.NVImage.loadFromBase64({ base64: sources[i].textContent.trim(), name: sources[i].dataset.name + ".nii.gz" });
      image.colormap = names[sources[i].dataset.map] || "gray";
      images.push(image);
    }
    var shown = -1;
    var show = function (k) {
      if (k === shown || !images[k]) return;
      var at = nv.scene.crosshairPos.slice();
      if (shown >= 0) nv.removeVolume(images[shown]);
      nv.addVolume(images[k]);
      if (shown >= 0) nv.scene.crosshairPos = at;
      shown = k;
      nv.updateGLVolume();
      nv.drawScene();
      figure.dataset.shown = sources[k].dataset.name;
      box.querySelectorAll("input")[k].checked = true;
    };
    var box = figure.querySelector("fieldset");
    sources.forEach(function (s, k) {
      var label = document.createElement("label"), input = document.createElement("input");
      input.type = "radio";
      input.name = "volume";
      input.addEventListener("change", function () { show(k); });
      label.append(input, " " + (k + 1) + " " + s.dataset.name);
      box.append(label);
    });
    box.hidden = false;
    figure.addEventListener("keydown", function (e) {
      var k = "123456789".indexOf(e.key);
      if (k >= 0 && !e.ctrlKey && !e.altKey && !e.metaKey) show(k);
    });
    nv.setSliceType(nv.sliceTypeMultiplanar);
    show(0);
    say("");
    figure.dataset.state = "drawn";
  };
  document.querySelectorAll(".viewer").forEach(function (figure) {
    var go = function () {
      start(figure).catch(function (e) {
        figure.dataset.state = "failed";
        var state = figure.querySelector(".state");
        state.hidden = false;
        state.textContent = "The interactive viewer failed (" + e + "). The pictures on this page show the same data.";
      });
    };
    if (typeof IntersectionObserver === "undefined") { go(); return; }
    var seen = new IntersectionObserver(function (entries) {
      if (entries.some(function (e) { return e.isIntersecting; })) { seen.disconnect(); go(); }
    }, { rootMargin: "200px" });
    seen.observe(figure);
  });
})();
