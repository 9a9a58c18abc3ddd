// The phone under the names that a page for Wazo uses: Wazo.Phone, Wazo.websocket.
import { Phone } from "https://YOUR-SERVER/static/switchhook.js";

const user = new URLSearchParams(location.search).get("user") ?? "Alice"; // whoever is logged in at your backend
const token = async () => (await fetch(`/phone-tokens?user=${user}`)).json();
const phone = new Phone({ url: "https://YOUR-SERVER", user, token });

export default { Phone: phone, websocket: phone };
