// Starts the program. A file of its own, not an inline script, so that the page can be served with a
// Content-Security-Policy that allows scripts of the same origin and nothing else.
const { js, wasm } = document.getElementById("program").dataset;

import(js)
  .then((program) => program.default({ module_or_path: wasm }))
  .catch((error) => {
    console.error(error);
    const notice = document.createElement("p");
    notice.className = "toast";
    notice.setAttribute("role", "alert");
    notice.textContent = "The page could not be started. Reload it, or try a current browser.";
    document.body.append(notice);
  });
