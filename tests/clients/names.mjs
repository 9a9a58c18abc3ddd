// Prints the names of what a Phone has.
import { AdHocConference, CallSession, Phone } from "../../app/pages/static/switchhook.js";

const phone = new Phone({ url: "", user: "Alice", token: "" });
const prototypes = [Phone, AdHocConference, CallSession].map((each) => Object.getOwnPropertyDescriptors(each.prototype));
const methods = (of) => Object.keys(of).filter((name) => typeof of[name].value === "function" && name !== "constructor");
const getters = Object.keys(prototypes[0]).filter((name) => prototypes[0][name].get);
console.log(JSON.stringify({
  attributes: [...Object.keys(phone), ...getters],
  methods: methods(prototypes[0]),
  ofConferences: methods(prototypes[1]),
  ofSessions: methods(prototypes[2]),
}));
