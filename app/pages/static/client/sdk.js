// Vonage's Client SDK, loaded once: it is Vonage's own and no part of this server.
// https://developer.vonage.com/en/vonage-client-sdk/overview

const GLOBAL = "vonageClientSDK"; // the name in dist/vonageClientSDK.min.js of the npm package @vonage/client-sdk
const loading = new Map(); // by address

/**
 * What the script at *address* defines; *hash*: what the browser is to check it by, or null. Throws Error where it
 * cannot be loaded; another attempt may succeed.
 */
export function loadSdk(address, hash) {
  if (globalThis[GLOBAL]) return Promise.resolve(globalThis[GLOBAL]); // the page has a <script> of its own
  if (!loading.has(address)) {
    const loaded = load(address, hash);
    loading.set(address, loaded);
    loaded.catch(() => loading.delete(address));
  }
  return loading.get(address);
}

function load(address, hash) {
  if (!address) return Promise.reject(new Error("The server names no address of the Client SDK."));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    if (hash) Object.assign(script, { integrity: hash, crossOrigin: "anonymous" });
    script.src = address;
    script.onload = () => {
      if (globalThis[GLOBAL]) resolve(globalThis[GLOBAL]);
      else reject(new Error(`The script at ${address} does not define ${GLOBAL}.`));
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`The Client SDK cannot be loaded from ${address}.`));
    };
    document.head.append(script);
  });
}
