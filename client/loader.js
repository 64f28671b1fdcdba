// Starts the program. A file of its own, not an inline script, so that the page can be served with a
// Content-Security-Policy that allows scripts of the same origin and nothing else.

// Puts on the clipboard what `text` promises. Safari refuses whoever asks when the text has come, but lets a click promise it.
// Async, so that a browser that throws at once is heard as one that refuses later.
globalThis.putOnClipboard = async (text) => {
  if (!globalThis.ClipboardItem) return text.then((text) => navigator.clipboard.writeText(text));
  const type = "text/plain";
  return navigator.clipboard.write([new ClipboardItem({ [type]: text.then((text) => new Blob([text], { type })) })]);
};

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
