import React from "react";
import { createRoot } from "react-dom/client";
import { Phone } from "./phone.jsx";

createRoot(document.getElementById("phone")).render(<Phone />);
