// Starts the program. A file of its own, not an inline script, so that the page can be served with a
// Content-Security-Policy that allows scripts of the same origin and nothing else.

const { js, wasm } = document.getElementById("program").dataset;

// The frame is painted before the program takes the main thread. A hidden page is not painted.
const painted = new Promise((resolve) => {
  new PerformanceObserver(resolve).observe({ type: "paint", buffered: true });
  setTimeout(resolve, document.hidden ? 0 : 1000);
});

// Offers to reload in place of the frame. After the page is mounted, #late is gone: it does nothing.
function offerReload() {
  const late = document.getElementById("late");
  late?.classList.add("failed");
  late?.setAttribute("role", "alert");
}

// The page is mounted in a task of its own: a panic there rejects no promise, but is an "error" event.
addEventListener("error", offerReload);

Promise.all([import(js), painted])
  .then(([program]) => program.default({ module_or_path: wasm }))
  .catch((error) => {
    console.error(error);
    // A server that has another version than this document has none of its files.
    offerReload();
  });
