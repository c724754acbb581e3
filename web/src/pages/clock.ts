// What two pages ask after the server's clock was stepped.
import { post } from "../api";
import { confirm, toast, toastError } from "../ui/basics";

/** After it months that left the window expire: not to be done by a slip. */
export async function confirmClock(again: () => void) {
  if (!(await confirm("Confirm the server's time?", "Months that left the window expire from then on, and can not be brought back. Compare the times of the newest events with a clock you trust first.", "Confirm the time", false))) return;
  try { await post("/api/v2/auditlog/clock"); toast("The time is confirmed"); again(); } catch (e) { toastError(e); }
}
