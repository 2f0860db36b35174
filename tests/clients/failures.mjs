// A script that fails says why in a few lines: what was thrown, and what the LRS answered to it.
// Left alone, Node would print the whole request, the key in it, and a line of a minified package.
process.on('uncaughtException', error => {
  const {status, data} = error.response ?? error;
  const answered = status === undefined ? '' : `\nanswered ${status}: ${JSON.stringify(data)}`;
  process.stderr.write(`${String(error.stack ?? error).slice(0, 2000)}${answered}\n`);
  process.exit(1);
});
