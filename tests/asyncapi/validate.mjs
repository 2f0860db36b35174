// Reads an AsyncAPI document (text) as JSON on standard input; writes what the parser finds wrong.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const text = JSON.parse(readFileSync(0, "utf8"));
const { document, diagnostics } = await new Parser().parse(text);
const found = diagnostics.map(({ severity, path, message }) => ({ severity, path, message }));
const channels = document === undefined ? [] : document.allChannels().map((one) => one.address());
process.stdout.write(JSON.stringify({ diagnostics: found, channels }));
