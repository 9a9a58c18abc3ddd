// The lists beside the phone, one at a time. https://www.w3.org/WAI/ARIA/apg/patterns/tabs/

export function installTabs(opened) {
  const tabs = [...document.querySelectorAll('[role="tab"]')];

  function choose(tab) {
    for (const each of tabs) {
      const on = each === tab;
      each.setAttribute("aria-selected", on);
      each.tabIndex = on ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !on;
    }
    opened(tab.getAttribute("aria-controls"));
  }

  for (const tab of tabs) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const to = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const next = to ? tabs[(tabs.indexOf(tab) + to + tabs.length) % tabs.length] : { Home: tabs[0], End: tabs.at(-1) }[key];
      if (!next) return;
      next.focus();
      choose(next);
    });
  }
}

/** Show how many there are of what a tab counts; nothing for none. */
export function count(name, number) {
  const element = document.querySelector(`[data-count="${name}"]`);
  element.hidden = !number;
  element.querySelector("[data-number]").textContent = number > 99 ? "99+" : number || "";
}
