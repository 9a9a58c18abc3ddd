// Prints what the script of the stand-in has, as JSON. The script's text comes by standard input.

import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";

const page = createContext({ document: { currentScript: { src: "http://127.0.0.1/vonageClientSDK.min.js" } }, URL });
runInContext(readFileSync(0, "utf8"), page);
const { VonageClient, VonageError, default: theDefault, ...values } = page.vonageClientSDK;
if (theDefault !== VonageClient || !runInContext("vonageClientSDK.VonageError.prototype instanceof Error", page)) {
  throw new Error("the default is the client, and its errors are errors");
}
const methods = Object.getOwnPropertyNames(VonageClient.prototype).filter((name) => name !== "constructor");
console.log(JSON.stringify({ ...values, methods: Object.fromEntries(methods.map((name) => [name, true])) }));
