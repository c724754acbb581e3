// Where the focus goes when what had it goes away: a dialog that closes, a menu's item, a row that was deleted. Browsers
// leave it nowhere then, and whoever works by keyboard or hears the page starts again at its top. Here it goes back to
// what had it before, or to what stood around that: at once, by no timer, and never out of a dialog that is open.

interface Held { at: HTMLElement; around: HTMLElement[]; page: Element | null; layer: boolean }
const MOST = 24; // places remembered: deeper than dialogs are nested
const trail: Held[] = [];

const LAYERS = "#layers";
const around = (e: HTMLElement) => { const list: HTMLElement[] = []; for (let n = e.parentElement; n; n = n.parentElement) if (n.hasAttribute("tabindex") && n.id !== "main") list.push(n); return list; };
const usable = (e: HTMLElement) => e.isConnected && !e.matches(":disabled") && e.getClientRects().length > 0;

function noted(e: FocusEvent) {
  const at = e.target as HTMLElement;
  if (!(at instanceof HTMLElement) || at === document.body) return;
  const known = trail.findIndex((h) => h.at === at);
  if (known >= 0) trail.splice(known, 1);
  trail.push({ at, around: around(at), page: at.closest(".page"), layer: !!at.closest(LAYERS) });
  if (trail.length > MOST) trail.shift();
}
let pressed = false, gone: EventTarget | null = null;
/** Who clicks beside everything means to: nothing is lost then. (A blur by itself says nothing: what is removed has one, too.) */
function left(e: FocusEvent) {
  if (pressed && !e.relatedTarget) gone = e.target;
}

function mended(changes: MutationRecord[]) {
  const last = trail[trail.length - 1];
  if (!last || document.activeElement !== document.body) return;
  if (gone === last.at) { trail.pop(); return; }
  // A row that moves to another place is taken out and put in again; a button that was off while it worked is on again.
  if (last.at.isConnected && !changes.some((c) => (c.target === last.at && usable(last.at)) || [...c.removedNodes].some((n) => n.contains(last.at)))) return;
  const open = [...document.querySelectorAll<HTMLElement>(`${LAYERS} [aria-modal="true"]`)].pop(), may = (e: HTMLElement) => usable(e) && (!open || open.contains(e));
  const beneath: Held[] = []; // a dialog on its way out: what stood under it has its turn when it is gone
  let to: HTMLElement | undefined;
  while (!to && trail.length) {
    const h = trail.pop()!;
    to = may(h.at) ? h.at : h.layer ? undefined : h.around.find(may);
    if (!to && h.page && !h.page.isConnected) break; // another page: it begins at its top
    if (!to && open && !h.layer) beneath.unshift(h);
  }
  trail.push(...beneath);
  (to ?? open ?? document.getElementById("main"))?.focus({ preventScroll: true });
}
/** Begins; once, for as long as the page is there. */
export function keepFocus() {
  document.addEventListener("focusin", noted);
  document.addEventListener("focusout", left);
  document.addEventListener("focusin", () => { gone = null; });
  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const end of ["pointerup", "pointercancel", "keydown"]) document.addEventListener(end, () => { pressed = false; }, true);
  new MutationObserver(mended).observe(document.body, { childList: true, subtree: true, attributeFilter: ["disabled"] });
}
