// Marks the phases of a Node program for Loadline. Copy this file next to your program.
//
//     const { phase } = require("./loadline");
//     const modules = phase("load", () => load(n));
//
// Where the work returns a promise, so does `phase`, and the phase lasts until it is settled.
const fs = require("fs");

function mark(name) {
  fs.writeSync(1, `\nloadline:phase=${name}\n`);
  const answer = Buffer.alloc(1);
  // Loadline answers with an empty line when it has read its counters.
  while (process.env.LOADLINE_ACK && answer[0] !== 10) {
    if (fs.readSync(0, answer) === 0) return;
  }
}

function end(value) {
  mark("none");
  return value;
}

exports.phase = (name, work) => {
  mark(name);
  const value = work();
  return typeof value?.then === "function" ? value.then(end) : end(value);
};
