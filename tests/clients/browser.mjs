// A browser's page on another origin than the LRS, by jsdom: its XMLHttpRequest asks for leave
// first (CORS with preflight), as that of a learner's browser does.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {JSDOM, VirtualConsole} from 'jsdom';

const {resolve} = createRequire(import.meta.url);

/** The window of a page at `url` that has run the script files `scripts` (names of modules). */
export function openPage(url, ...scripts) {
  const virtualConsole = new VirtualConsole();
  const complaints = [];
  virtualConsole.on('jsdomError', error => complaints.push(error.message));
  const {window} = new JSDOM('<!doctype html><title>Content</title>', {
    url, runScripts: 'outside-only', virtualConsole
  });
  // Browsers have these; jsdom leaves them to Node.
  Object.assign(window, {TextEncoder, TextDecoder});
  for(const script of scripts) {
    window.eval(readFileSync(resolve(script), 'utf8'));
  }
  return {window, complaints};
}
