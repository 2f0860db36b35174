// Verifies credentials with @digitalcredentials/verifier-core, offline: what it would fetch is
// answered from `documents`, and everything else is "not found".
//
// stdin:  {"documents": {url: document}, "registries": [{name, type, url}], "credentials": [...]}
// stdout: [{"log": {step: true | false | error name}, "errors": [name], "schema": bool | null,
//           "issuers": [name], "missing": [url]}]
import {readFileSync} from 'node:fs';

const {documents, registries, credentials} = JSON.parse(readFileSync(0, 'utf8'));

let missing = [];
// Set before the packages are loaded, which take `fetch` then.
globalThis.fetch = async request => {
  const url = typeof request === 'string' ? request : request.url ?? String(request);
  if(url in documents) {
    return new Response(JSON.stringify(documents[url]), {
      status: 200, headers: {'content-type': 'application/json'}
    });
  }
  missing.push(url);
  return new Response('{}', {status: 404, headers: {'content-type': 'application/json'}});
};
// What it tells a person is not for standard output.
console.log = console.error;

const {verifyCredential} = await import('@digitalcredentials/verifier-core');

const answers = [];
for(const credential of credentials) {
  missing = [];
  const found = await verifyCredential({credential, knownDIDRegistries: registries});
  const steps = found.log ?? [];
  const schemas = (found.additionalInformation ?? []).flatMap(one =>
    Array.isArray(one.results) ? one.results : []);
  answers.push({
    log: Object.fromEntries(steps.map(one => [one.id, one.error ? one.error.name : one.valid])),
    errors: (found.errors ?? []).map(one => one.name),
    schema: schemas.length ? schemas.every(one => one.result.valid) : null,
    issuers: steps.flatMap(one => (one.matchingIssuers ?? []).map(
      match => match.issuer?.federation_entity?.organization_name ?? match.issuer?.name ?? '')),
    missing
  });
}
process.stdout.write(JSON.stringify(answers));
