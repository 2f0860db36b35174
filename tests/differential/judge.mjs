// Judges statements with @learninglocker/xapi-validation.
//
// stdin:  {"statements": [statement, …], "patterns": [regular expression, …]}
// stdout: {"warnings": [[{"name", "path"}, …], …], "badPatterns": [regular expression, …]}
//
// A statement without warnings is valid. Patterns are those of our JSON Schemas, which must be such
// for the engine of ECMA-262 in Unicode mode.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

const validate = createRequire(import.meta.url)('@learninglocker/xapi-validation').default;

function name(warning) {
  const type = warning.typeName ?? warning.type?.name;
  return type === undefined ? warning.name : `${warning.name} ${type}`;
}

function warnings(statement) {
  try {
    return validate(statement).map(one => ({name: name(one), path: one.path.slice(1)}));
  } catch(error) {
    return [{name: `throws ${error.name}`, path: []}];
  }
}

function isPattern(text) {
  try {
    return new RegExp(text, 'u') !== undefined;
  } catch {
    return false;
  }
}

const {statements, patterns} = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify({
  warnings: statements.map(warnings),
  badPatterns: patterns.filter(text => !isPattern(text))
}));
