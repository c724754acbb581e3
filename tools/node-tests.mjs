/**
 * Node's test runner over files that begin in the order given (`node --test` sorts them by name):
 *
 *     node-tests.mjs CONCURRENCY TAP LOG FILE…
 *
 * TAP goes to one file, the readable report to another; the exit status is 1 when anything failed.
 */
import { createWriteStream } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { tap, spec } from "node:test/reporters";

const [concurrency, tapFile, logFile, ...files] = process.argv.slice(2);
const events = run({ files: files.map((f) => path.resolve(f)), concurrency: Number(concurrency) });
events.on("test:fail", (data) => { if (!data.todo) process.exitCode = 1; });
events.compose(tap).pipe(createWriteStream(tapFile));
events.compose(new spec()).pipe(createWriteStream(logFile));
