/**
 * Sends the flood, in a process of its own and at the lowest priority, so that what others feel is the server's doing and
 * not the sender's. Requests are written by hand on kept sockets: a tenth of the cost of Node's client.
 *
 *     node flood-sender.mjs '{"port":…, "attempts":…, "perSecond":…, "sockets":…, "addresses":…, "accounts":[…], "unknown":…}'
 *
 * Every second attempt is for an unknown name, the others go round the accounts; addresses go round, too. `perSecond` is a
 * schedule, kept as far as answers come (0: as fast as they come), `unknown` how many unknown names there are (0: each a new
 * one). Says "half" and then what it got, as one line of JSON.
 */
import net from "node:net";
import os from "node:os";

const o = JSON.parse(process.argv[2]);
try { os.setPriority(0, 19); } catch { /* not allowed here: then at the priority it has */ }

const PATH = "/api/v1/authenticate";
const address = (i) => `10.${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
const result = { answers: {}, unknown: 0, lost: 0, ms: 0 };
const idle = [];
const began = performance.now();
let sent = 0, done = 0;

function attempt(n) {
  const isUnknown = n % 2 === 1;
  if (isUnknown) result.unknown++;
  // Unknown names come back, too: after five failures no more of them are hashed than of known ones.
  const username = isUnknown ? `nobody${o.unknown ? n % o.unknown : n}@example.com` : o.accounts[(n >> 1) % o.accounts.length];
  const body = JSON.stringify({ username, password: `wrong ${n}` });
  return `POST ${PATH} HTTP/1.1\r\nHost: 127.0.0.1:${o.port}\r\nContent-Type: application/json\r\n` +
    `X-Forwarded-For: ${address(n % o.addresses)}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function answered(status) {
  result.answers[status] = (result.answers[status] ?? 0) + 1;
  if (++done < o.attempts) return;
  result.ms = performance.now() - began;
  console.log(JSON.stringify(result));
  process.exit(0);
}

function open() {
  const socket = Object.assign(net.connect(o.port, "127.0.0.1"), { busy: false });
  let text = "";
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  socket.on("connect", () => ready(socket));
  socket.on("error", () => {});
  socket.on("close", () => {
    const at = idle.indexOf(socket);
    if (at >= 0) idle.splice(at, 1);
    if (socket.busy) { result.lost++; answered("lost"); }
    open();
  });
  socket.on("data", (d) => {
    text += d;
    const head = text.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < head + 4 + length) return;
    const status = text.slice(9, 12);
    text = text.slice(head + 4 + length);
    socket.busy = false;
    answered(status);
    ready(socket);
  });
}

function ready(socket) {
  idle.push(socket);
  pump();
}

/** Sends what is due on the sockets that wait. */
function pump() {
  const due = o.perSecond ? Math.min(o.attempts, Math.floor((performance.now() - began) / 1000 * o.perSecond)) : o.attempts;
  while (sent < due && idle.length > 0) {
    const socket = idle.shift();
    socket.busy = true;
    socket.write(attempt(sent++));
    if (sent === o.attempts >> 1) console.log("half");
  }
}

for (let i = 0; i < o.sockets; i++) open();
setInterval(pump, 2);
