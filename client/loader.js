// Starts the program. This is a file and not an inline script, because the Content-Security-Policy
// allows scripts of the same origin only.

const { js, wasm } = document.getElementById("program").dataset;

// The program starts after the frame is painted, because it would block painting. A hidden page is
// never painted.
const painted = new Promise((resolve) => {
  new PerformanceObserver(resolve).observe({ type: "paint", buffered: true });
  setTimeout(resolve, document.hidden ? 0 : 1000);
});

// Shows the frame's offer to reload. Mounting the page removes the frame; then this has no effect.
function offerReload() {
  const late = document.getElementById("late");
  late?.classList.add("failed");
  late?.setAttribute("role", "alert");
}

// The program mounts the page in a separate task. A panic there does not reject the promise below;
// it is an "error" event.
addEventListener("error", offerReload);

Promise.all([import(js), painted])
  .then(([program]) => program.default({ module_or_path: wasm }))
  .catch((error) => {
    console.error(error);
    // One reason is a new version on the server, which no longer has the files of this document.
    offerReload();
  });
