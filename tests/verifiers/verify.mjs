// Verifies credentials with @digitalbazaar/vc, offline.
//
// stdin:  {"documents": {url: document}, "credentials": [{"credential": …, "now": "…Z"}]}
// stdout: [{"verified": bool, "statuses": [{"purpose", "status"}], "errors": [text]}]
import {readFileSync} from 'node:fs';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';

const {documents, credentials} = JSON.parse(readFileSync(0, 'utf8'));

// A did:key says its key itself; its document is written here after the method's specification.
function didKeyDocument(url) {
  const [did] = url.split('#');
  const publicKeyMultibase = did.slice('did:key:'.length);
  const method = {
    '@context': 'https://w3id.org/security/multikey/v1',
    id: `${did}#${publicKeyMultibase}`,
    type: 'Multikey',
    controller: did,
    publicKeyMultibase
  };
  if(url !== did) {
    return method;
  }
  return {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'],
    id: did,
    verificationMethod: [method],
    assertionMethod: [method.id]
  };
}

// A did:web says its keys in a document, which is served, and so is one of `documents`.
function didWebDocument(url) {
  const [did, fragment] = url.split('#');
  const [host, ...path] = did.slice('did:web:'.length).split(':').map(decodeURIComponent);
  const name = `${path.length ? path.join('/') : '.well-known'}/did.json`;
  const document = documents[`https://${host}/${name}`] ?? documents[`http://${host}/${name}`];
  if(!document || !fragment) {
    return document;
  }
  const method = document.verificationMethod.find(one => one.id === url);
  return method && {'@context': 'https://w3id.org/security/multikey/v1', ...method};
}

async function documentLoader(url) {
  if(url.startsWith('did:web:')) {
    const document = didWebDocument(url);
    if(!document) {
      throw new Error(`Not found: ${url}`);
    }
    return {contextUrl: null, documentUrl: url, document, tag: 'static'};
  }
  if(url.startsWith('did:key:')) {
    return {contextUrl: null, documentUrl: url, document: didKeyDocument(url), tag: 'static'};
  }
  if(url in documents) {
    return {contextUrl: null, documentUrl: url, document: documents[url], tag: 'static'};
  }
  // vc.defaultDocumentLoader knows the contexts that ship with it, and fetches nothing.
  return vc.defaultDocumentLoader(url);
}

function messages(error) {
  if(!error) {
    return [];
  }
  return [error.message, ...(error.errors ?? []).flatMap(messages), ...messages(error.cause)];
}

const answers = [];
for(const {credential, now} of credentials) {
  const suite = [rdfc, createVerifyCryptosuite()].map(cryptosuite => new DataIntegrityProof({cryptosuite}));
  const result = await vc.verifyCredential({
    credential, suite, documentLoader, now: new Date(now),
    checkStatus: options => checkStatus({
      ...options, verifyBitstringStatusListCredential: true, verifyMatchingIssuers: true
    })
  });
  answers.push({
    verified: result.verified,
    statuses: (result.statusResult?.results ?? []).map(one => ({
      purpose: one.credentialStatus?.statusPurpose ?? null, status: one.status ?? null
    })),
    errors: [...messages(result.error), ...messages(result.statusResult?.error)]
  });
}
process.stdout.write(JSON.stringify(answers));
