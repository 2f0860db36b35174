// Signs documents with software that we did not write, for our verifier to verify.
//
// stdin:  {"documents": {url: document}, "wanted": [{"document": object, "seed": hex,
//          "suite": "eddsa-rdfc-2022" | "Ed25519Signature2020", "presentation":
//          {"challenge": text, "domain": text} | null}]}
// stdout: [signed document]
import {readFileSync} from 'node:fs';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {Ed25519Signature2020} from '@digitalcredentials/ed25519-signature-2020';
import {Ed25519VerificationKey2020}
  from '@digitalcredentials/ed25519-verification-key-2020';

const {documents, wanted} = JSON.parse(readFileSync(0, 'utf8'));

async function documentLoader(url) {
  if(url in documents) {
    return {contextUrl: null, documentUrl: url, document: documents[url], tag: 'static'};
  }
  return vc.defaultDocumentLoader(url);
}

async function suiteOf(name, seed) {
  const key = await Ed25519VerificationKey2020.generate({seed: Buffer.from(seed, 'hex')});
  const did = `did:key:${key.publicKeyMultibase}`;
  key.controller = did;
  key.id = `${did}#${key.publicKeyMultibase}`;
  const signer = key.signer();
  signer.id = key.id;
  signer.algorithm = 'Ed25519';
  return name === 'Ed25519Signature2020' ?
    new Ed25519Signature2020({key}) : new DataIntegrityProof({signer, cryptosuite});
}

const signed = [];
for(const {document, seed, suite: name, presentation} of wanted) {
  const suite = await suiteOf(name, seed);
  signed.push(presentation ?
    await vc.signPresentation({presentation: document, suite, documentLoader, ...presentation}) :
    await vc.issue({credential: document, suite, documentLoader}));
}
process.stdout.write(JSON.stringify(signed));
